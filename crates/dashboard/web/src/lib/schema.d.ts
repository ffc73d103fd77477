// Made by `npm run types` from the OpenAPI document. Not to be edited.

export interface paths {
    "/actions/fetch_emails": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Fetch e-mails
         * @description From what is kept: one by its id, or the latest fifty of the newest two thousand that mention some words.
         */
        post: operations["fetch_emails"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/connections": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List connections */
        get: operations["list_connections"];
        put?: never;
        /**
         * Connect an account
         * @description With tokens that are there already, or an account that Composio or Unipile holds. One that its user has connected
         *     before is authorised again and keeps its id.
         */
        post: operations["create_connection"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/connections/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a connection */
        get: operations["read_connection"];
        put?: never;
        post?: never;
        /**
         * Remove a connection
         * @description What was registered for it is removed at the provider, if need be later; then its tokens are gone. Its events stay.
         */
        delete: operations["delete_connection"];
        options?: never;
        head?: never;
        /**
         * Change a connection
         * @description A connection that is asked on another schedule from now on is asked now.
         */
        patch: operations["change_connection"];
        trace?: never;
    };
    "/api/connections/{id}/registrations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Register something
         * @description Where it is registered already it is changed. The answer tells how it stands after the first try; what did not go
         *     well is tried again.
         */
        post: operations["create_registration"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/connections/{id}/registrations/{registration}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Remove a registration
         * @description It is removed at the provider, if need be later; until then it is listed as `removing`. What belongs to the account
         *     itself, such as the watch of a mailbox, is not set up again unless `settings.push` of the connection says `true`.
         */
        delete: operations["delete_registration"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/connections/{id}/sync": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Ask a connection's provider for what is new, now
         * @description The answer is a job, which ends with the poll; `done` counts the events that are new. Where one is under way it is
         *     that one. A provider that wants to be left alone for a while is asked after that.
         */
        post: operations["sync_connection"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List conversations, the one with the latest message first */
        get: operations["list_conversations"];
        put?: never;
        /** Make a conversation */
        post: operations["create_conversation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a conversation */
        get: operations["read_conversation"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Change a conversation
         * @description What is left out stays as it is; `null` clears.
         */
        patch: operations["change_conversation"];
        trace?: never;
    };
    "/api/conversations/{id}/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List a conversation's messages, the latest first */
        get: operations["list_messages"];
        put?: never;
        /**
         * Say something
         * @description It is kept when this answers. Where the conversation goes on at a provider it is sent then; `message.sent` or
         *     `message.failed` tells how that went.
         */
        post: operations["post_message"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/conversations/{id}/messages/{message_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Say what has become of a message
         * @description Where that is what it is already, nobody is told.
         */
        patch: operations["change_message"];
        trace?: never;
    };
    "/api/conversations/{id}/read": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Mark a conversation as read
         * @description All that has been said in it so far; what is said at the same time may count as unread.
         */
        post: operations["mark_conversation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List deliveries across subscriptions, the newest first */
        get: operations["list_deliveries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deliveries/bulk": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Retry or cancel many deliveries
         * @description The answer comes once they are counted; a job does it. A retried delivery keeps its id and history and gets one more
         *     attempt.
         */
        post: operations["change_deliveries"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deliveries/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read one delivery with its request and all its attempts */
        get: operations["read_delivery"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deliveries/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Call a delivery off */
        post: operations["cancel_delivery"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/deliveries/{id}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Retry a failed delivery by hand
         * @description It keeps its id and history and gets one more attempt, at once. It waits for no others of its ordering key.
         */
        post: operations["retry_delivery"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/emails": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List e-mails, the latest first */
        get: operations["list_emails"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/emails/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read an e-mail */
        get: operations["read_email"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List events, the newest first */
        get: operations["list_events"];
        put?: never;
        /**
         * Publish one event, or up to 1,000 together
         * @description A batch is kept as a whole or not at all. With an `Idempotency-Key` header the same request may be sent again for 24
         *     hours and is kept once; the same key with another body answers 409.
         */
        post: operations["publish_events"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/events/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read one event with its deliveries */
        get: operations["read_event"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/events/{id}/raw": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read the bytes that came in */
        get: operations["read_raw_event"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/events/{id}/resend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send an event to a subscription once more
         * @description It becomes a delivery of its own, with all its attempts; the `webhook-id` stays the event's.
         */
        post: operations["resend_event"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List jobs, the newest first */
        get: operations["list_jobs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/jobs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read one job */
        get: operations["read_job"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/jobs/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Call a job off
         * @description What it has done stays done.
         */
        post: operations["cancel_job"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List API keys */
        get: operations["list_keys"];
        put?: never;
        /** Make an API key */
        post: operations["create_key"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/keys/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Revoke an API key */
        delete: operations["delete_key"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/oauth/{provider}/callback": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Take a user's answer
         * @description Where the provider sends the browser back to. The state counts once, and where it belongs to one browser, only from
         *     that.
         */
        get: operations["finish_authorization"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/oauth/{provider}/start": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Ask a user for a connection
         * @description Answers with a redirect to the provider, or with its URL for whoever accepts JSON alone.
         *
         *     Asked under a user's key or token, or in the dashboard's session, the answer sets a cookie, and only a browser that
         *     brings it back can finish: nobody else can be sent to the provider in its place. Under the admin key, where an
         *     application's own server asks, there is no such cookie: hand the URL to that user's browser alone, and see that the
         *     `connection_id` which comes back is of the user who is signed in there.
         */
        get: operations["start_authorization"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/realtime/send": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send a message, mark a conversation as read, or say that somebody types
         * @description The frame that a WebSocket would carry; the answer is its `ack`.
         */
        post: operations["send_frame"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/realtime/sse": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Stream events as server-sent events
         * @description `data` is the frame that a WebSocket would send, `id` its cursor. `Last-Event-ID` counts for more than `cursor`.
         */
        get: operations["open_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/realtime/ws": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Stream events over a WebSocket
         * @description Frames are JSON texts of at most 64 KiB; the first is `hello`. See `docs/realtime.md`.
         */
        get: operations["open_socket"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/rejections": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List requests that were refused
         * @description They are written within a second. Of a flood only some are kept; `/metrics` counts all.
         */
        get: operations["list_rejections"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/senders": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List the senders that are known */
        get: operations["list_senders"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Begin a browser's session
         * @description The answer sets a cookie that scripts cannot read. It opens what the key opens, from this server's own pages.
         */
        post: operations["begin_session"];
        /** End a browser's session */
        delete: operations["end_session"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sources": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List sources */
        get: operations["list_sources"];
        put?: never;
        /** Make a source */
        post: operations["create_source"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/sources/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read a source */
        get: operations["read_source"];
        put?: never;
        post?: never;
        /**
         * Remove a source
         * @description Its address answers 404 from then on; for a channel the hub is told. Its events stay.
         */
        delete: operations["delete_source"];
        options?: never;
        head?: never;
        /**
         * Change a source
         * @description What is left out stays, and `null` clears a field. `secret` or `secrets` replace all secrets. `sender` and
         *     `verification` take each other's place; what they are checked against must fit them.
         */
        patch: operations["change_source"];
        trace?: never;
    };
    "/api/sources/{id}/rotate-url": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Give a source a new address */
        post: operations["rotate_source_url"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/statistics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Count what became of deliveries, by hour
         * @description Known for 92 days. A user sees what became of their own subscriptions' deliveries.
         */
        get: operations["read_statistics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Count events by time, source and type */
        get: operations["read_stats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make a short-lived token for one user */
        post: operations["create_token"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List subscriptions, the newest first */
        get: operations["list_subscriptions"];
        put?: never;
        /** Create a subscription */
        post: operations["create_subscription"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/composio": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Receive from composio
         * @description Checked with what is set in COMPOSIO_WEBHOOK_SECRET.
         */
        post: operations["receive_composio"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/discord": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Receive from discord
         * @description Checked with what is set in DISCORD_PUBLIC_KEY.
         */
        post: operations["receive_discord_without_user"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/discord/{user}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Receive from discord
         * @description Checked with what is set in DISCORD_PUBLIC_KEY.
         */
        post: operations["receive_discord"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/event-types": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List event types, each with a description, an example and a schema */
        get: operations["list_event_types"];
        put?: never;
        /**
         * Add an event type to the catalogue
         * @description Events may be published under any type; this describes one for those who subscribe.
         */
        post: operations["create_event_type"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/event-types/{type}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Remove an event type from the catalogue
         * @description Events of that type stay, and more may come.
         */
        delete: operations["delete_event_type"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/events/pending": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Lease events from a queue
         * @description A pull subscription feeds a queue. What is leased belongs to this worker until it completes or fails it, or the
         *     lease lapses. With `wait_seconds` the answer comes as soon as there is something.
         */
        get: operations["pull_events"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/events/{event_id}/complete": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say that a leased event is done */
        post: operations["complete_event"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/events/{event_id}/extend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Hold a leased event for longer */
        post: operations["extend_lease"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/events/{event_id}/failed": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Say that a leased event could not be dealt with
         * @description It comes back, unless its attempts are used up.
         */
        post: operations["fail_event"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/github/{user}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Receive from github
         * @description Checked with what is set in GITHUB_WEBHOOK_SECRET.
         */
        post: operations["receive_github"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/gmail": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Receive from gmail
         * @description Checked with what is set in GOOGLE_PUBSUB_SERVICE_ACCOUNT.
         */
        post: operations["receive_gmail"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List how subscribers' endpoints fare, the newest subscription first
         * @description Queues have no endpoint and are left out.
         */
        get: operations["list_receivers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/list": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List registrations
         * @description What is set up at providers so that they push, with how it stands and when it expires.
         */
        get: operations["list_registrations"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Try a filter, a transform, a template or headers on an event
         * @description Nothing is kept and nothing is sent.
         */
        post: operations["preview_request"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/slack/{user}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Receive from slack
         * @description Checked with what is set in SLACK_SIGNING_SECRET.
         */
        post: operations["receive_slack"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/unipile/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Receive from unipile
         * @description Checked with what is set in UNIPILE_WEBHOOK_SECRET.
         */
        post: operations["receive_unipile"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/youtube/{user}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Receive from youtube
         * @description Checked with what is set in YOUTUBE_WEBHOOK_SECRET.
         */
        post: operations["receive_youtube"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Read one subscription */
        get: operations["read_subscription"];
        put?: never;
        post?: never;
        /**
         * Delete a subscription
         * @description Its open deliveries are cancelled; its history stays.
         */
        delete: operations["delete_subscription"];
        options?: never;
        head?: never;
        /**
         * Change a subscription
         * @description What is left out stays as it is; `null` goes back to the default.
         */
        patch: operations["change_subscription"];
        trace?: never;
    };
    "/api/webhooks/{id}/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** List a subscription's deliveries, the newest first */
        get: operations["list_subscription_deliveries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/{id}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send past events to a subscription once more
         * @description Events that came in within the span, and that the subscription wants by its types and filter as they are now. Each
         *     becomes a delivery of its own, with all its attempts, and keeps its `webhook-id`. The answer comes once they are
         *     counted; a job sends them.
         */
        post: operations["replay_events"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/{id}/rotate-secret": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Replace a subscription's signing key
         * @description Until the overlap ends `webhook-signature` holds a signature under the new key and one under the old, in this order;
         *     `X-Webhook-Signature` is made with the new secret at once.
         */
        post: operations["rotate_secret"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/webhooks/{id}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send a test event to a subscription now */
        post: operations["test_subscription"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether it can do its work: 200, or 503 while the store is out of reach */
        get: operations["read_health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/live": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether the process lives */
        get: operations["read_liveness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Whether it can do its work, for a load balancer */
        get: operations["read_readiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/in/{token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Receive at a custom source
         * @description Checked as the source says. A handshake is answered as its sender wants it, by GET too.
         */
        post: operations["receive_custom"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What is counted, for Prometheus */
        get: operations["read_metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/ws/messages": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Stream messages alone over a WebSocket
         * @description Each is `{"type":"message:new","data":{…}}`; later kinds name the same message.
         */
        get: operations["open_messages"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description What a sender is told about its event. */
        Accepted: {
            /**
             * @description The event that is kept; for a duplicate, the first.
             * @example evt_019aa6b0c7d07b3e8f3c5a1d2e4f6071
             */
            event_id: string;
            /**
             * @description `accepted`, or `duplicate` for one that is known.
             * @example accepted
             */
            status: string;
        };
        /** @description Where a user is asked. */
        Authorization: {
            /** @description The provider's page. */
            url: string;
        };
        /** @description What a job is about. */
        Begun: {
            /**
             * Format: int64
             * @description How many events or deliveries it is about.
             */
            count: number;
            /** @description The job that does it; not there after a dry run. */
            job_id?: string | null;
        };
        /** @description A poll that somebody wants now. */
        BegunSync: components["schemas"]["ShownJob"] & {
            /** @description The job that does it. */
            job_id: string;
        };
        /** @description Which deliveries, and what is done to them. */
        Bulk: {
            /** @description `retry` or `cancel`. */
            action: string;
            /**
             * @description Only count them.
             * @default false
             */
            dry_run: boolean | null;
            filter?: components["schemas"]["BulkFilter"] | null;
        };
        /** @description Which deliveries are meant; what is left out does not matter. */
        BulkFilter: {
            event_type?: string | null;
            /** @description Made at or after. */
            since?: string | null;
            /**
             * @description For `retry`: `failed` (where it is left out) or `cancelled`. For `cancel`: one that is open; left out: all of
             *     those.
             */
            status?: string | null;
            subscription_id?: string | null;
            /** @description Made before. */
            until?: string | null;
            /** @description Of this user's subscriptions. */
            user_id?: string | null;
        };
        /** @description Every known event type. */
        Catalogue: {
            data: components["schemas"]["ShownType"][];
        };
        /** @description Which lease. */
        Completion: {
            lease_token: string;
        };
        /** @description What the owner of a conversation sets. What is left out stays, `null` clears. */
        ConfigBody: {
            /**
             * @description Is called for each message that is made or processed: three retries, after 4, 8 and 10 seconds; 30 seconds each;
             *     ten at once and a hundred a minute. It is signed like a subscription, whose id has the conversation's digits:
             *     `rotate-secret` gives its secret.
             * @example https://example.com/callback
             */
            callback_url?: string | null;
            workflow_id?: string | null;
        };
        /** @description An account to connect. */
        ConnectionBody: {
            access_token?: string | null;
            /** @description The account's own id at the provider; left out, the provider is asked. */
            account_id?: string | null;
            /** @description When the access token expires. */
            expires_at?: string | null;
            /**
             * Format: int32
             * @description Seconds from now until the access token expires. Either this or `expires_at`.
             */
            expires_in?: number | null;
            /** @example github */
            provider: string;
            refresh_token?: string | null;
            scopes?: string[] | null;
            settings?: components["schemas"]["ShownSettings"] | null;
            /** @description Whose. A user's key may leave it out. */
            user_id?: string | null;
        };
        /** @description What is to change about a connection. */
        ConnectionChange: {
            settings?: components["schemas"]["ShownSettings"] | null;
        };
        /** @description A conversation to make. */
        ConversationBody: {
            /**
             * @description Over what it goes; `API` where it is left out.
             * @example API
             */
            channel?: string | null;
            config?: components["schemas"]["ConfigBody"] | null;
            usecase?: string | null;
            /** @description Whose. A user's key may leave it out. */
            user_id?: string | null;
        };
        /** @description What may be changed of a conversation. */
        ConversationTerms: {
            config?: components["schemas"]["ConfigBody"] | null;
            usecase?: string | null;
        };
        /** @description What became of deliveries. */
        DeliveryStatistics: {
            /** @description The oldest hour first; those in which nothing happened, and nothing was owed, are left out. */
            data: components["schemas"]["ShownHour"][];
            /**
             * Format: int64
             * @description Deliveries that have not ended by now: pending, processing, retrying or held.
             */
            owed: number;
        };
        /** @description A delivery with all its attempts. */
        DeliveryWithAttempts: components["schemas"]["ShownDelivery"] & {
            /** @description The first first. */
            attempts: components["schemas"]["ShownAttempt"][];
            request?: components["schemas"]["ShownRequest"] | null;
        };
        /** @description An event with its deliveries. */
        EventWithDeliveries: components["schemas"]["ShownEvent"] & {
            /** @description What subscriptions were owed since it came in, as far as the bearer may see them; the newest 200. */
            deliveries: components["schemas"]["ShownDelivery"][];
        };
        /** @description A lease that lasts longer. */
        Extended: {
            lease_expires_at: string;
        };
        /** @description For how long. */
        Extension: {
            /**
             * Format: int32
             * @description From now, 1 to 3600.
             * @default 60
             */
            lease_seconds: number | null;
            lease_token: string;
        };
        /** @description What went wrong. */
        Failure: {
            /** @description What went wrong; the first 1024 bytes are kept. */
            error?: string | null;
            lease_token: string;
            /**
             * Format: int32
             * @description Seconds until it may be tried again, 0 to 86400. Left out, the subscription's retry policy says.
             */
            retry_after_seconds?: number | null;
        };
        /** @description What is to be fetched: one e-mail, or those that mention something. */
        FetchBody: {
            /** @description The e-mail's id, here or at its provider. Either this or `query`. */
            email_id?: string | null;
            /** @description Words that stand in the subject, an address or the text. */
            query?: string | null;
            /** @description Whose. A user's key may leave it out. */
            user_id?: string | null;
        };
        /** @description What was fetched. */
        Fetched: {
            /** @description The latest first. */
            emails: components["schemas"]["ShownEmail"][];
        };
        /** @description What is wrong with one field. */
        FieldProblem: {
            /** @description The field, as a path from the top of the document. */
            field: string;
            /** @description What is wrong with it. */
            message: string;
        };
        /** @description How the program is. */
        Health: {
            /**
             * @description `ok`, or `unavailable` while the store is out of reach.
             * @example ok
             */
            status: string;
            version: string;
        };
        /** @description What a key is to be. */
        KeyTerms: {
            /** @description For people. */
            name: string;
            /** @description Whose things it opens; everything where it is left out. */
            user_id?: string | null;
        };
        /** @description An event that a worker holds. */
        LeasedEvent: {
            /**
             * Format: int32
             * @description The first is 1.
             */
            attempt: number;
            /** @description When the event came in. */
            created_at: string;
            data: Record<string, unknown>;
            delivery_id: string;
            event_id: string;
            event_type: string;
            /** @description After this it goes back into the queue, and that was an attempt. */
            lease_expires_at: string;
            /** @description Shown when the worker says how it went. */
            lease_token: string;
            source: string;
            user_id?: string | null;
        };
        /** @description A piece of a list. */
        Listed_ReceiverHealth: {
            /** @description The newest first. */
            data: {
                /**
                 * Format: int32
                 * @description Failures in a row, as that node has counted them.
                 */
                consecutive_failures: number;
                /** @description When the first attempt failed since one last succeeded, at whichever node. */
                failing_since?: string | null;
                is_active: boolean;
                last_failure_at?: string | null;
                last_success_at?: string | null;
                /** @description While it is `open`: when it is tried again. */
                opens_at?: string | null;
                paused: boolean;
                /**
                 * @description As the node that answers has found it. `closed`: it is called. `open`: it failed ten times in a row and is left
                 *     alone. `half-open`: the next attempt tries it. `probing`: that attempt is under way.
                 * @example closed
                 */
                state: string;
                subscription_id: string;
                url: string;
                user_id?: string | null;
            }[];
            /** @description Send it as `cursor` for what follows; `null` at the end. */
            next_cursor?: string | null;
        };
        /** @description A piece of a list. */
        Listed_ShownConnection: {
            /** @description The newest first. */
            data: {
                /**
                 * @description The account's own id at the provider.
                 * @example octocat
                 */
                account_id: string;
                /** @description Whether it can be asked now, at `/api/connections/{id}/sync`. */
                can_sync: boolean;
                created_at: string;
                /** @description When the access token expires. */
                expires_at?: string | null;
                /** @example con_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
                id: string;
                /** @description When the provider was last asked for what is new. */
                last_sync_at?: string | null;
                /** @example github */
                provider: string;
                scopes: string[];
                settings: components["schemas"]["ShownSettings"];
                /**
                 * @description `pending`, `active`, `degraded`, `needs_reauth` or `disabled`.
                 * @example active
                 */
                state: string;
                /** @description Why it stands so. */
                state_reason?: string | null;
                user_id: string;
            }[];
            /** @description Send it as `cursor` for what follows; `null` at the end. */
            next_cursor?: string | null;
        };
        /** @description A piece of a list. */
        Listed_ShownConversation: {
            /** @description The newest first. */
            data: {
                /**
                 * @description Over what it goes.
                 * @example WHATSAPP
                 */
                channel: string;
                config: components["schemas"]["ShownConfig"];
                created_at: string;
                /** @example cnv_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
                id: string;
                last_message_at?: string | null;
                source?: components["schemas"]["ShownChat"] | null;
                /**
                 * Format: int32
                 * @description Messages of others that have not been seen.
                 */
                unread_count: number;
                updated_at: string;
                /** @description What for, in the host application's words. */
                usecase?: string | null;
                user_id: string;
            }[];
            /** @description Send it as `cursor` for what follows; `null` at the end. */
            next_cursor?: string | null;
        };
        /** @description A piece of a list. */
        Listed_ShownDelivery: {
            /** @description The newest first. */
            data: {
                /** Format: int32 */
                attempt_count: number;
                completed_at?: string | null;
                created_at: string;
                /** @description What went wrong last. */
                error?: string | null;
                event_id: string;
                event_type: string;
                /** @example dlv_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
                id: string;
                /** Format: int32 */
                max_attempts: number;
                next_attempt_at?: string | null;
                /**
                 * Format: int32
                 * @description HTTP status of the last answer.
                 */
                response_status?: number | null;
                /** @example success */
                status: string;
                subscription_id: string;
                /**
                 * @description Why it was made, or last set going by hand.
                 * @example initial
                 */
                trigger: string;
                user_id?: string | null;
            }[];
            /** @description Send it as `cursor` for what follows; `null` at the end. */
            next_cursor?: string | null;
        };
        /** @description A piece of a list. */
        Listed_ShownEmail: {
            /** @description The newest first. */
            data: {
                cc: string[];
                date: string;
                /** @description Since when it is in the trash, or gone. */
                deleted_at?: string | null;
                /**
                 * @description `inbound` or `outbound`.
                 * @example inbound
                 */
                direction: string;
                /** @example Bob <bob@example.com> */
                from?: string | null;
                html?: string | null;
                /** @example eml_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
                id: string;
                is_read: boolean;
                labels: string[];
                /** @description Its own id at the provider. */
                message_id: string;
                subject?: string | null;
                /** @description What it says, where that was told. */
                text?: string | null;
                /** @description What it has in common with those that it answers, and with their answers. */
                thread_id: string;
                to: string[];
                user_id: string;
            }[];
            /** @description Send it as `cursor` for what follows; `null` at the end. */
            next_cursor?: string | null;
        };
        /** @description A piece of a list. */
        Listed_ShownEvent: {
            /** @description The newest first. */
            data: {
                /** @description What happened, as the sender wrote it. */
                data: Record<string, unknown>;
                /** @example evt_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
                id: string;
                /**
                 * @description When it happened.
                 * @example 2026-11-21T09:30:00.125Z
                 */
                occurred_at: string;
                /** @description The provider that spoke, where one did. */
                provider?: string | null;
                /**
                 * @description When it came in.
                 * @example 2026-11-21T09:30:00.625Z
                 */
                received_at: string;
                /**
                 * @description Where it came in.
                 * @example github
                 */
                source: string;
                /**
                 * @description What kind of fact.
                 * @example github.push
                 */
                type: string;
                /**
                 * @description Whose it is; `null` where no user could be found.
                 * @example alice
                 */
                user_id?: string | null;
            }[];
            /** @description Send it as `cursor` for what follows; `null` at the end. */
            next_cursor?: string | null;
        };
        /** @description A piece of a list. */
        Listed_ShownJob: {
            /** @description The newest first. */
            data: {
                created_at: string;
                /**
                 * Format: int64
                 * @description How many have been dealt with.
                 */
                done: number;
                /** @description Why it failed. */
                error?: string | null;
                /**
                 * Format: int64
                 * @description How many could not be.
                 */
                failed: number;
                finished_at?: string | null;
                /** @example job_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
                id: string;
                /**
                 * @description `replay`, `bulk_retry` or `bulk_cancel`; `start` owes a new subscription what came in before it; `sync` asks a
                 *     connection's provider for what is new.
                 * @example replay
                 */
                kind: string;
                /**
                 * @description `running`, `completed`, `failed` or `cancelled`.
                 * @example running
                 */
                state: string;
                /**
                 * Format: int64
                 * @description How many events or deliveries it is about; `null` while nobody has counted them.
                 */
                total?: number | null;
                /** @description Whose it is; `null`: the operator's. */
                user_id?: string | null;
            }[];
            /** @description Send it as `cursor` for what follows; `null` at the end. */
            next_cursor?: string | null;
        };
        /** @description A piece of a list. */
        Listed_ShownKey: {
            /** @description The newest first. */
            data: {
                created_at: string;
                /** @example key_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
                id: string;
                name: string;
                /** @description Whose things it opens; `null`: everything. */
                user_id?: string | null;
            }[];
            /** @description Send it as `cursor` for what follows; `null` at the end. */
            next_cursor?: string | null;
        };
        /** @description A piece of a list. */
        Listed_ShownMessage: {
            /** @description The newest first. */
            data: {
                /**
                 * @description The conversation's.
                 * @example WHATSAPP
                 */
                channel: string;
                /** @description `null` once it was taken back. */
                content?: string | null;
                /**
                 * @description `TEXT`, `IMAGE`, `VIDEO`, `DOCUMENT` or `AUDIO`.
                 * @example TEXT
                 */
                content_type: string;
                conversation_id: string;
                created_at: string;
                /** @description Who has sent it: the provider's id of them, the user, or `admin`. */
                created_by: string;
                deleted_at?: string | null;
                delivered_at?: string | null;
                edited_at?: string | null;
                filename?: string | null;
                /** @example msg_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
                id: string;
                is_own: boolean;
                metadata: Record<string, unknown>;
                /** @description When it was said, as its provider says. */
                occurred_at: string;
                reactions: components["schemas"]["ReactionBody"][];
                read_at?: string | null;
                /**
                 * @description `RECEIVED`, `PROCESSED` or `FAILED`.
                 * @example RECEIVED
                 */
                status: string;
                /**
                 * @description `USER_INPUT`, `SYSTEM` or `BOT`.
                 * @example USER_INPUT
                 */
                type: string;
                updated_at: string;
                updated_by: string;
            }[];
            /** @description Send it as `cursor` for what follows; `null` at the end. */
            next_cursor?: string | null;
        };
        /** @description A piece of a list. */
        Listed_ShownRegistration: {
            /** @description The newest first. */
            data: {
                /** @description The connection that it comes and goes with; `null`: it is the application's. */
                connection_id?: string | null;
                created_at: string;
                /** @description What is wanted, in the provider's words; what is usual where it is empty. */
                events: string[];
                /** @description When the provider ends it by itself. It is renewed before that. */
                expires_at?: string | null;
                /** @description The provider's own name for it. */
                external_id?: string | null;
                /** @example reg_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
                id: string;
                /** @example github */
                provider: string;
                /**
                 * @description `pending`, `active`, `failed`, `expired` or `removing`.
                 * @example active
                 */
                state: string;
                /** @description Why it stands so. */
                state_reason?: string | null;
                /**
                 * @description What is watched: a repository, a mailbox, a channel, a trigger.
                 * @example acme/shop
                 */
                target: string;
                /** @description Where the provider pushes to. */
                url: string;
                /** @description Whose events it brings; `null`: everybody's. */
                user_id?: string | null;
            }[];
            /** @description Send it as `cursor` for what follows; `null` at the end. */
            next_cursor?: string | null;
        };
        /** @description A piece of a list. */
        Listed_ShownRejection: {
            /** @description The newest first. */
            data: {
                /** @description The network address that it came from. */
                address: string;
                /** @description The first 4 KiB of its body. What is not UTF-8 in it is replaced. */
                body: string;
                /** @description Why, in words. */
                detail: string;
                /** @description Its headers by name, without secrets. */
                headers: {
                    [key: string]: string;
                };
                /** @example rej_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
                id: string;
                /**
                 * @description Why it was refused, for programs: the `code` of the answer.
                 * @example invalid_signature
                 */
                reason: string;
                /** @description Where it came in, without a source's token. */
                route: string;
                /** @description The source that it was for; `null` where there is none. */
                source?: string | null;
                /** @description When it came in. */
                time: string;
            }[];
            /** @description Send it as `cursor` for what follows; `null` at the end. */
            next_cursor?: string | null;
        };
        /** @description A piece of a list. */
        Listed_ShownSource: {
            /** @description The newest first. */
            data: {
                /** @description Where requests may come from; from anywhere where it is empty. */
                allow_ips: string[];
                /** @description The channel, for YouTube. */
                channel_id?: string | null;
                created_at: string;
                /** @example src_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
                id: string;
                is_active: boolean;
                name: string;
                /** @description Until when the address before the current one works. */
                previous_url_until?: string | null;
                /** @description The URL that the sender knows, where that is not ours. */
                public_url?: string | null;
                /** @description How many secrets count. */
                secret_count: number;
                /**
                 * @description Who sends, for a sender that is known.
                 * @example stripe
                 */
                sender?: string | null;
                updated_at: string;
                /** @description Whose events come in here; `null`: nobody's in particular. */
                user_id?: string | null;
                /** @description How requests are verified, where that is spelled out. */
                verification?: Record<string, unknown> | null;
            }[];
            /** @description Send it as `cursor` for what follows; `null` at the end. */
            next_cursor?: string | null;
        };
        /** @description A piece of a list. */
        Listed_ShownSubscription: {
            /** @description The newest first. */
            data: {
                batch?: components["schemas"]["ShownBatch"] | null;
                /** @description The conversation whose callback it is. It is changed and removed with that. */
                callback_of?: string | null;
                created_at: string;
                description: string;
                /**
                 * @example [
                 *       "github.*"
                 *     ]
                 */
                event_types: string[];
                /** @description What events must hold, beyond being of one of the types. */
                filter?: Record<string, unknown> | null;
                /** @description Headers beside ours. */
                headers: Record<string, unknown>;
                /** @example sub_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
                id: string;
                /** @description False once it was deactivated, by its owner or by a `410 Gone`. */
                is_active: boolean;
                /** Format: int32 */
                max_concurrency: number;
                /**
                 * @description Where events hold what deliveries must be equal in to go one after another.
                 * @example data.customer.id
                 */
                ordering_key?: string | null;
                /** @description Whether deliveries are held back for now. */
                paused: boolean;
                /** @description What checks `v1a` signatures; for `signing: "ed25519"` only. */
                public_key?: string | null;
                queue?: string | null;
                /** Format: int32 */
                rate_limit_per_minute?: number | null;
                /** Format: int32 */
                retry_count: number;
                /** @description `exponential`, `standard`, `conversation`, or a list of seconds. */
                retry_policy: Record<string, unknown>;
                /** @example standard */
                signing: string;
                statistics: components["schemas"]["ShownStatistics"];
                /**
                 * @description `push` to a URL, or `pull` from a queue.
                 * @example push
                 */
                target: string;
                /** @description Whose body requests have instead of the event's own. */
                template?: string | null;
                /** Format: int32 */
                timeout_seconds: number;
                /** @description The source of a JavaScript function that makes the body. */
                transform?: string | null;
                updated_at: string;
                url?: string | null;
                /** @description Whose events it gets; `null`: every user's. */
                user_id?: string | null;
            }[];
            /** @description Send it as `cursor` for what follows; `null` at the end. */
            next_cursor?: string | null;
        };
        /** @description A message to say. */
        MessageBody: {
            content: string;
            /** @description `TEXT` where it is left out; else `IMAGE`, `VIDEO`, `DOCUMENT` or `AUDIO`. */
            content_type?: string | null;
            filename?: string | null;
            /** @description What tells it from another: the same again under the same key is answered with the first. */
            key?: string | null;
            /** @description An object of at most 16 KiB. */
            metadata?: Record<string, unknown> | null;
            /** @description `USER_INPUT` where it is left out; else `SYSTEM` or `BOT`. */
            type?: string | null;
        };
        /** @description A new API key. */
        NewKey: components["schemas"]["ShownKey"] & {
            /** @description The key itself. It is shown this once. */
            key: string;
        };
        /** @description A source with its address. */
        NewSource: components["schemas"]["ShownSource"] & {
            /**
             * @description Where its sender sends to. Whoever knows it may try, so it is shown this once.
             * @example https://example.com/in/Jr5wUvQ0wO2mPV9n1cXK3yqkq8s6l0aB
             */
            url: string;
        };
        /** @description A new subscription, with its secret. */
        NewSubscription: components["schemas"]["ShownSubscription"] & {
            /** @description With `start`: the job that owes it what came in before. */
            job_id?: string | null;
            /**
             * @description What checks the signatures. It is shown this once. Asymmetric signing has none.
             * @example whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw
             */
            secret?: string | null;
        };
        /** @description A user's token. */
        NewToken: {
            expires_at: string;
            token: string;
        };
        /** @description What would become of the event. */
        Preview: {
            /** @description How the transform failed, or why the filter cannot tell. */
            error?: string | null;
            /** @description Whether the filter wants it; without one, all are wanted. */
            matched: boolean;
            request?: components["schemas"]["PreviewedRequest"] | null;
        };
        /** @description What would be sent, without what a secret is needed for. */
        PreviewedRequest: {
            body: string;
            headers: Record<string, unknown>;
        };
        /** @description A problem document. */
        Problem: {
            /** @description Which problem, for programs. It does not change between versions. */
            code: string;
            /** @description What is wrong, and what to do about it. */
            detail: string;
            /** @description For `invalid`: each field with what is wrong with it. */
            errors?: components["schemas"]["FieldProblem"][];
            /**
             * Format: int32
             * @description The HTTP status.
             */
            status: number;
            /** @description The status in words. */
            title: string;
            /** @description Always `about:blank`: the code says which problem it is. */
            type: string;
        };
        /** @description One event, or up to 1,000. */
        PublishBody: components["schemas"]["PublishedEvent"] | {
            events: components["schemas"]["PublishedEvent"][];
        };
        /** @description An event to publish. */
        PublishedEvent: {
            /** @description What happened: any JSON. */
            data: Record<string, unknown>;
            /** @description Your own id for it: a second event of the user with the same id is a duplicate. */
            id?: string | null;
            /** @description When it happened; now where it is left out. */
            occurred_at?: string | null;
            /**
             * @description What kind of fact: words of a-z, 0-9, _ and - joined by dots.
             * @example task.created
             */
            type: string;
            /**
             * @description Whose it is. A user's key may leave it out.
             * @example alice
             */
            user_id?: string | null;
        };
        /** @description What a worker holds from now on. */
        Pulled: {
            /** @description The longest due first. Empty where nothing came in time. */
            events: components["schemas"]["LeasedEvent"][];
        };
        /** @description A reaction to a message. */
        ReactionBody: {
            by: string;
            emoji: string;
        };
        /** @description A subscription's endpoint, and how it has been answering. */
        ReceiverHealth: {
            /**
             * Format: int32
             * @description Failures in a row, as that node has counted them.
             */
            consecutive_failures: number;
            /** @description When the first attempt failed since one last succeeded, at whichever node. */
            failing_since?: string | null;
            is_active: boolean;
            last_failure_at?: string | null;
            last_success_at?: string | null;
            /** @description While it is `open`: when it is tried again. */
            opens_at?: string | null;
            paused: boolean;
            /**
             * @description As the node that answers has found it. `closed`: it is called. `open`: it failed ten times in a row and is left
             *     alone. `half-open`: the next attempt tries it. `probing`: that attempt is under way.
             * @example closed
             */
            state: string;
            subscription_id: string;
            url: string;
            user_id?: string | null;
        };
        /** @description What is to be registered. */
        RegistrationBody: {
            /** @description What else the provider is told; the configuration of a trigger. */
            config?: Record<string, unknown> | null;
            /** @description What is wanted, in the provider's words; left out, what is usual. */
            events?: string[] | null;
            /**
             * @description What is to be watched: `owner/repo` for GitHub, a channel's id for YouTube, a trigger for Composio.
             * @example acme/shop
             */
            target: string;
        };
        /** @description Which past events. */
        Replaying: {
            /**
             * @description Only count them.
             * @default false
             */
            dry_run: boolean | null;
            /**
             * @description `all` that the subscription wants, what has `failed` and was not sent anew, or what is `missing`: never owed to
             *     it.
             * @default all
             */
            only: string | null;
            /**
             * @description Received at or after.
             * @example 2026-11-21T09:30:00Z
             */
            since: string;
            /** @description Received before; left out: up to now. */
            until?: string | null;
        };
        /** @description Where to. */
        Resending: {
            /** @description A subscription that may have this user's events. Its event types do not matter. */
            subscription_id: string;
        };
        /** @description The subscription with its new secret. */
        RotatedSubscription: components["schemas"]["NewSubscription"] & {
            /** @description Until when the old key signs too. */
            overlap_ends_at: string;
        };
        /** @description How a key is replaced. */
        SecretRotation: {
            /**
             * Format: double
             * @description How long the old key signs too, 0 to 720.
             * @default 24
             */
            overlap_hours: number | null;
        };
        /** @description Every sender that is known. */
        Senders: {
            data: components["schemas"]["ShownSender"][];
        };
        /** @description A frame by which a client does something. */
        SentFrame: {
            data: Record<string, unknown>;
            /**
             * Format: int64
             * @description The client's own number for it.
             */
            id?: number | null;
            /** @description What tells it from another. The same again within a day does nothing more. */
            key?: string | null;
            /** @description `message.send`, `read.mark` or `typing`. */
            type: string;
        };
        /** @description What is shown to begin a session: either of the two. */
        SessionTerms: {
            /** @description The code of a link that `waystation demo` has printed. It is good once. */
            code?: string | null;
            /** @description A key, or a user's token. */
            key?: string | null;
        };
        /** @description What became of a frame. */
        ShownAck: {
            /** @description Where it is in the log. */
            cursor?: string | null;
            /** @description Where it is not `ok`: `{code, detail}`. */
            error?: Record<string, unknown> | null;
            /**
             * Format: int64
             * @description The client's own number for it.
             */
            id?: number | null;
            ok: boolean;
            /** @description Always `ack`. */
            t: string;
        };
        /** @description One try of a delivery. */
        ShownAttempt: {
            /** @description When it began. */
            at: string;
            /** Format: double */
            duration_ms: number;
            error?: string | null;
            /** @example timeout */
            error_code?: string | null;
            /**
             * Format: int32
             * @description The first is 1.
             */
            number: number;
            /** @description The beginning of the answer's body, at most 16 KiB. */
            response_body?: string | null;
            response_headers: Record<string, unknown>;
            /** Format: int32 */
            response_status?: number | null;
            /** @example initial */
            trigger: string;
        };
        /** @description How deliveries gather. */
        ShownBatch: {
            /**
             * Format: int32
             * @description A batch has at most so many events, and is sent as soon as so many wait: 1 to 1000.
             */
            max_events: number;
            /**
             * Format: int32
             * @description Milliseconds for which the first of a batch waits for others, 0 to 60000.
             * @default 1000
             */
            max_wait_ms: number;
        };
        /** @description A chat at a provider. */
        ShownChat: {
            account_id: string;
            chat_id: string;
            /** @example unipile */
            provider: string;
        };
        /** @description What the owner of a conversation sets. */
        ShownConfig: {
            /** @description Who is told of each message that is made or processed. */
            callback_url?: string | null;
            /** @description The host application's workflow that answers. */
            workflow_id?: string | null;
        };
        /** @description A connection. */
        ShownConnection: {
            /**
             * @description The account's own id at the provider.
             * @example octocat
             */
            account_id: string;
            /** @description Whether it can be asked now, at `/api/connections/{id}/sync`. */
            can_sync: boolean;
            created_at: string;
            /** @description When the access token expires. */
            expires_at?: string | null;
            /** @example con_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
            id: string;
            /** @description When the provider was last asked for what is new. */
            last_sync_at?: string | null;
            /** @example github */
            provider: string;
            scopes: string[];
            settings: components["schemas"]["ShownSettings"];
            /**
             * @description `pending`, `active`, `degraded`, `needs_reauth` or `disabled`.
             * @example active
             */
            state: string;
            /** @description Why it stands so. */
            state_reason?: string | null;
            user_id: string;
        };
        /** @description A conversation. */
        ShownConversation: {
            /**
             * @description Over what it goes.
             * @example WHATSAPP
             */
            channel: string;
            config: components["schemas"]["ShownConfig"];
            created_at: string;
            /** @example cnv_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
            id: string;
            last_message_at?: string | null;
            source?: components["schemas"]["ShownChat"] | null;
            /**
             * Format: int32
             * @description Messages of others that have not been seen.
             */
            unread_count: number;
            updated_at: string;
            /** @description What for, in the host application's words. */
            usecase?: string | null;
            user_id: string;
        };
        /** @description A bucket's events of one source and type. */
        ShownCount: {
            /**
             * @description When the bucket begins.
             * @example 2026-11-21T09:00:00.000Z
             */
            bucket: string;
            /** Format: int64 */
            count: number;
            source: string;
            type: string;
        };
        /** @description A delivery. */
        ShownDelivery: {
            /** Format: int32 */
            attempt_count: number;
            completed_at?: string | null;
            created_at: string;
            /** @description What went wrong last. */
            error?: string | null;
            event_id: string;
            event_type: string;
            /** @example dlv_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
            id: string;
            /** Format: int32 */
            max_attempts: number;
            next_attempt_at?: string | null;
            /**
             * Format: int32
             * @description HTTP status of the last answer.
             */
            response_status?: number | null;
            /** @example success */
            status: string;
            subscription_id: string;
            /**
             * @description Why it was made, or last set going by hand.
             * @example initial
             */
            trigger: string;
            user_id?: string | null;
        };
        /** @description An e-mail. */
        ShownEmail: {
            cc: string[];
            date: string;
            /** @description Since when it is in the trash, or gone. */
            deleted_at?: string | null;
            /**
             * @description `inbound` or `outbound`.
             * @example inbound
             */
            direction: string;
            /** @example Bob <bob@example.com> */
            from?: string | null;
            html?: string | null;
            /** @example eml_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
            id: string;
            is_read: boolean;
            labels: string[];
            /** @description Its own id at the provider. */
            message_id: string;
            subject?: string | null;
            /** @description What it says, where that was told. */
            text?: string | null;
            /** @description What it has in common with those that it answers, and with their answers. */
            thread_id: string;
            to: string[];
            user_id: string;
        };
        /** @description An event. */
        ShownEvent: {
            /** @description What happened, as the sender wrote it. */
            data: Record<string, unknown>;
            /** @example evt_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
            id: string;
            /**
             * @description When it happened.
             * @example 2026-11-21T09:30:00.125Z
             */
            occurred_at: string;
            /** @description The provider that spoke, where one did. */
            provider?: string | null;
            /**
             * @description When it came in.
             * @example 2026-11-21T09:30:00.625Z
             */
            received_at: string;
            /**
             * @description Where it came in.
             * @example github
             */
            source: string;
            /**
             * @description What kind of fact.
             * @example github.push
             */
            type: string;
            /**
             * @description Whose it is; `null` where no user could be found.
             * @example alice
             */
            user_id?: string | null;
        };
        /** @description What became of deliveries within an hour. */
        ShownHour: {
            /** Format: int64 */
            attempts: number;
            /**
             * Format: int64
             * @description Attempts that failed.
             */
            errors: number;
            /**
             * Format: int64
             * @description Deliveries that were given up.
             */
            failed: number;
            /**
             * @description When it began.
             * @example 2026-11-21T09:00:00.000Z
             */
            hour: string;
            /**
             * Format: double
             * @description The same, of the slowest.
             */
            latency_ms_max?: number | null;
            /**
             * Format: double
             * @description From an attempt's beginning to the end of its answer, on the average of those that were answered.
             */
            latency_ms_mean?: number | null;
            /**
             * Format: int64
             * @description Deliveries that had not ended at the last look within the hour. There is one every 5 minutes.
             */
            owed: number;
            /**
             * Format: int64
             * @description Deliveries that arrived.
             */
            successful: number;
        };
        /** @description Work that goes on for a while. */
        ShownJob: {
            created_at: string;
            /**
             * Format: int64
             * @description How many have been dealt with.
             */
            done: number;
            /** @description Why it failed. */
            error?: string | null;
            /**
             * Format: int64
             * @description How many could not be.
             */
            failed: number;
            finished_at?: string | null;
            /** @example job_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
            id: string;
            /**
             * @description `replay`, `bulk_retry` or `bulk_cancel`; `start` owes a new subscription what came in before it; `sync` asks a
             *     connection's provider for what is new.
             * @example replay
             */
            kind: string;
            /**
             * @description `running`, `completed`, `failed` or `cancelled`.
             * @example running
             */
            state: string;
            /**
             * Format: int64
             * @description How many events or deliveries it is about; `null` while nobody has counted them.
             */
            total?: number | null;
            /** @description Whose it is; `null`: the operator's. */
            user_id?: string | null;
        };
        /** @description An API key, without the key. */
        ShownKey: {
            created_at: string;
            /** @example key_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
            id: string;
            name: string;
            /** @description Whose things it opens; `null`: everything. */
            user_id?: string | null;
        };
        /** @description A message. */
        ShownMessage: {
            /**
             * @description The conversation's.
             * @example WHATSAPP
             */
            channel: string;
            /** @description `null` once it was taken back. */
            content?: string | null;
            /**
             * @description `TEXT`, `IMAGE`, `VIDEO`, `DOCUMENT` or `AUDIO`.
             * @example TEXT
             */
            content_type: string;
            conversation_id: string;
            created_at: string;
            /** @description Who has sent it: the provider's id of them, the user, or `admin`. */
            created_by: string;
            deleted_at?: string | null;
            delivered_at?: string | null;
            edited_at?: string | null;
            filename?: string | null;
            /** @example msg_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
            id: string;
            is_own: boolean;
            metadata: Record<string, unknown>;
            /** @description When it was said, as its provider says. */
            occurred_at: string;
            reactions: components["schemas"]["ReactionBody"][];
            read_at?: string | null;
            /**
             * @description `RECEIVED`, `PROCESSED` or `FAILED`.
             * @example RECEIVED
             */
            status: string;
            /**
             * @description `USER_INPUT`, `SYSTEM` or `BOT`.
             * @example USER_INPUT
             */
            type: string;
            updated_at: string;
            updated_by: string;
        };
        /** @description What is set up at a provider. */
        ShownRegistration: {
            /** @description The connection that it comes and goes with; `null`: it is the application's. */
            connection_id?: string | null;
            created_at: string;
            /** @description What is wanted, in the provider's words; what is usual where it is empty. */
            events: string[];
            /** @description When the provider ends it by itself. It is renewed before that. */
            expires_at?: string | null;
            /** @description The provider's own name for it. */
            external_id?: string | null;
            /** @example reg_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
            id: string;
            /** @example github */
            provider: string;
            /**
             * @description `pending`, `active`, `failed`, `expired` or `removing`.
             * @example active
             */
            state: string;
            /** @description Why it stands so. */
            state_reason?: string | null;
            /**
             * @description What is watched: a repository, a mailbox, a channel, a trigger.
             * @example acme/shop
             */
            target: string;
            /** @description Where the provider pushes to. */
            url: string;
            /** @description Whose events it brings; `null`: everybody's. */
            user_id?: string | null;
        };
        /** @description A request that was refused. */
        ShownRejection: {
            /** @description The network address that it came from. */
            address: string;
            /** @description The first 4 KiB of its body. What is not UTF-8 in it is replaced. */
            body: string;
            /** @description Why, in words. */
            detail: string;
            /** @description Its headers by name, without secrets. */
            headers: {
                [key: string]: string;
            };
            /** @example rej_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
            id: string;
            /**
             * @description Why it was refused, for programs: the `code` of the answer.
             * @example invalid_signature
             */
            reason: string;
            /** @description Where it came in, without a source's token. */
            route: string;
            /** @description The source that it was for; `null` where there is none. */
            source?: string | null;
            /** @description When it came in. */
            time: string;
        };
        /** @description A request to a subscriber. */
        ShownRequest: {
            body: string;
            headers: Record<string, unknown>;
            url: string;
        };
        /** @description Somebody who sends webhooks, and how. */
        ShownSender: {
            aliases: string[];
            /** @description Whether a vector of its own is a witness to this. If not, it rests on what was read about it. */
            confirmed: boolean;
            /** @description Whether it asks first if an address wants its events. */
            has_handshake: boolean;
            /** @example stripe */
            name: string;
            /** @description What a person who sets it up has to know. */
            note?: string | null;
            /** @description Whether it signs the URL too, so that `public_url` has to be right. */
            signs_url: boolean;
            title: string;
            /** @description How its requests are verified. */
            verification: Record<string, unknown>;
        };
        /** @description A session that has begun. */
        ShownSession: {
            /** @description When it ends. */
            expires_at?: string | null;
            /** @description Whose things it opens; `null`: everything. */
            user_id?: string | null;
        };
        /** @description What is otherwise than usual with a connection; what is not said is as usual. */
        ShownSettings: {
            /**
             * Format: int32
             * @description How often the provider is asked for what is new, in seconds, in the place of `poll.<provider>_seconds`; 0: only
             *     when somebody asks for it.
             */
            poll_seconds?: number | null;
            /**
             * @description Whether what belongs to the account itself, such as the watch of a mailbox, is registered without being asked
             *     for; it usually is.
             */
            push?: boolean | null;
        };
        /** @description A custom source. */
        ShownSource: {
            /** @description Where requests may come from; from anywhere where it is empty. */
            allow_ips: string[];
            /** @description The channel, for YouTube. */
            channel_id?: string | null;
            created_at: string;
            /** @example src_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
            id: string;
            is_active: boolean;
            name: string;
            /** @description Until when the address before the current one works. */
            previous_url_until?: string | null;
            /** @description The URL that the sender knows, where that is not ours. */
            public_url?: string | null;
            /** @description How many secrets count. */
            secret_count: number;
            /**
             * @description Who sends, for a sender that is known.
             * @example stripe
             */
            sender?: string | null;
            updated_at: string;
            /** @description Whose events come in here; `null`: nobody's in particular. */
            user_id?: string | null;
            /** @description How requests are verified, where that is spelled out. */
            verification?: Record<string, unknown> | null;
        };
        /** @description How a subscription's deliveries have ended. */
        ShownStatistics: {
            /** Format: int64 */
            failed: number;
            last_delivery_at?: string | null;
            last_failure_at?: string | null;
            last_success_at?: string | null;
            /** Format: int64 */
            successful: number;
            /**
             * Format: int64
             * @description All deliveries, whether or not they have ended.
             */
            total: number;
        };
        /** @description A subscription. */
        ShownSubscription: {
            batch?: components["schemas"]["ShownBatch"] | null;
            /** @description The conversation whose callback it is. It is changed and removed with that. */
            callback_of?: string | null;
            created_at: string;
            description: string;
            /**
             * @example [
             *       "github.*"
             *     ]
             */
            event_types: string[];
            /** @description What events must hold, beyond being of one of the types. */
            filter?: Record<string, unknown> | null;
            /** @description Headers beside ours. */
            headers: Record<string, unknown>;
            /** @example sub_019aa6b0c7d07b3e8f3c5a1d2e4f6071 */
            id: string;
            /** @description False once it was deactivated, by its owner or by a `410 Gone`. */
            is_active: boolean;
            /** Format: int32 */
            max_concurrency: number;
            /**
             * @description Where events hold what deliveries must be equal in to go one after another.
             * @example data.customer.id
             */
            ordering_key?: string | null;
            /** @description Whether deliveries are held back for now. */
            paused: boolean;
            /** @description What checks `v1a` signatures; for `signing: "ed25519"` only. */
            public_key?: string | null;
            queue?: string | null;
            /** Format: int32 */
            rate_limit_per_minute?: number | null;
            /** Format: int32 */
            retry_count: number;
            /** @description `exponential`, `standard`, `conversation`, or a list of seconds. */
            retry_policy: Record<string, unknown>;
            /** @example standard */
            signing: string;
            statistics: components["schemas"]["ShownStatistics"];
            /**
             * @description `push` to a URL, or `pull` from a queue.
             * @example push
             */
            target: string;
            /** @description Whose body requests have instead of the event's own. */
            template?: string | null;
            /** Format: int32 */
            timeout_seconds: number;
            /** @description The source of a JavaScript function that makes the body. */
            transform?: string | null;
            updated_at: string;
            url?: string | null;
            /** @description Whose events it gets; `null`: every user's. */
            user_id?: string | null;
        };
        /** @description A known event type. */
        ShownType: {
            /** @description Whether somebody has added it, who can remove it again. */
            added: boolean;
            /** @description When it happens. */
            description: string;
            /** @description An example of `data`. */
            example: Record<string, unknown>;
            /** @description Whether it tells of Waystation's own work: a plain `*` then leaves it out. */
            operational: boolean;
            /** @description The JSON Schema of `data`: what is in it, and of which type. Senders may add to it at any time. */
            schema: Record<string, unknown>;
            /** @example github.push */
            type: string;
        };
        /** @description What a source is to be. */
        SourceTermsBody: {
            /** @description Networks or addresses that requests may come from. */
            allow_ips?: string[] | null;
            /** @description The channel whose feed is to be pushed, where the sender is `youtube`. The hub is asked for it. */
            channel_id?: string | null;
            /** @default true */
            is_active: boolean | null;
            /** @description For people. */
            name: string;
            /** @description The sender's public key: hexadecimal, base64 of the DER form, PEM or JWK. */
            public_key?: string | null;
            /** @description The URL that the sender knows, to the letter, where that is not the one that is answered. */
            public_url?: string | null;
            /** @description What the sender signs with; `user:password` for basic authentication. */
            secret?: string | null;
            /** @description Several of them, any of which may have been used. */
            secrets?: string[] | null;
            /**
             * @description A sender that is known: one of `GET /api/senders`, or `youtube` for a channel. Either this or `verification`.
             * @example stripe
             */
            sender?: string | null;
            /**
             * @description Whose events come in here. A user's key may leave it out; with the admin key, left out or `null` means nobody's
             *     in particular.
             */
            user_id?: string | null;
            /** @description How any other sender signs. */
            verification?: Record<string, unknown> | null;
            /** @description What the sender's handshake must show. */
            verify_token?: string | null;
        };
        /** @description How many events came in. */
        Stats: {
            /** @description The oldest bucket first. */
            data: components["schemas"]["ShownCount"][];
        };
        /** @description What has become of a message. */
        StatusBody: {
            /** @description `RECEIVED`, `PROCESSED` or `FAILED`. */
            status: string;
        };
        /** @description What a subscription is to be. */
        SubscriptionTerms: {
            batch?: components["schemas"]["ShownBatch"] | null;
            description?: string | null;
            /**
             * @description Types, exactly (`github.push`), with a trailing wildcard (`github.*`), or all (`*`).
             * @example [
             *       "github.*"
             *     ]
             */
            event_types: string[];
            /** @description What events must hold, beyond being of one of the types: an object of paths and conditions. */
            filter?: Record<string, unknown> | null;
            /**
             * @description Headers beside ours: at most 32, with 4 KiB in all. Those that say how a request travels and those that begin
             *     with `webhook-` or `X-Webhook-` are ours.
             */
            headers?: Record<string, unknown> | null;
            /** @default true */
            is_active: boolean | null;
            /**
             * Format: int32
             * @description Attempts under way at once, 1 to 1000.
             * @default 10
             */
            max_concurrency: number | null;
            /**
             * @description A path into the event. Deliveries of events that hold the same there go one after another, in the order of the
             *     log; one that is to be retried holds those behind it back. Where an event holds nothing there its delivery waits
             *     for no other.
             * @example data.customer.id
             */
            ordering_key?: string | null;
            /** @default false */
            paused: boolean | null;
            /**
             * @description For `pull`: the queue's name, at most 128 bytes.
             * @default default
             */
            queue: string | null;
            /**
             * Format: int32
             * @description Attempts that may begin within any minute: 1 to 6000, or `null` for as many as can.
             */
            rate_limit_per_minute?: number | null;
            /**
             * Format: int32
             * @description Retries after the first attempt, 0 to 10: 3, or as many as the named policy has.
             */
            retry_count?: number | null;
            /**
             * @description `exponential` (2 s, doubling, at most 1 h), `standard` (5 s to 24 h), `conversation` (4, 8, 10 s), or a list of
             *     seconds.
             */
            retry_policy: Record<string, unknown>;
            /**
             * @description A secret that receivers know already: `whsec_` and 24 to 64 bytes, or the `whsk_` of a key pair. Without it one
             *     is made.
             */
            secret?: string | null;
            /**
             * @description `standard`, or `ed25519` for asymmetric signatures.
             * @default standard
             */
            signing: string | null;
            /**
             * @description For `pull`: from when on events are wanted: `now`, `earliest`, or a time.
             * @default now
             */
            start: string | null;
            /**
             * @description `push` to a URL, or `pull` from a queue.
             * @default push
             */
            target: string | null;
            /** @description `slack`, `discord`, `teams` or `generic`: requests then have that body instead of the event's own. */
            template?: string | null;
            /**
             * Format: int32
             * @description Seconds that an attempt may take, 1 to 60.
             * @default 10
             */
            timeout_seconds: number | null;
            /**
             * @description A JavaScript function, `(event) => body`: it gets the event as the API shows it and returns the body, `{ body,
             *     headers }`, or `null` to send nothing. It takes the place of a template.
             * @example (event) => ({ text: event.data.title })
             */
            transform?: string | null;
            /**
             * @description For `push`: where requests are sent: `https://`, or `http://` to an address that the configuration allows.
             * @example https://example.com/hook
             */
            url?: string | null;
            /** @description Whose events it gets. A user's key may leave it out; with the admin key, left out or `null` means every user's. */
            user_id?: string | null;
        };
        /** @description What a token is to be. */
        TokenTerms: {
            /**
             * Format: int32
             * @description How long it is good for, 1 to 86400.
             * @default 900
             */
            ttl_seconds: number | null;
            /**
             * @description The types of events that it opens streams of, and nothing else then; everything of the user's where it is left
             *     out.
             */
            types?: string[] | null;
            /** @description Whose things it opens. */
            user_id: string;
        };
        /** @description How a test went. */
        Trial: {
            delivery_id: string;
            /** Format: double */
            duration_ms: number;
            error?: string | null;
            error_code?: string | null;
            event_id: string;
            /** @description The beginning of the answer's body, at most 16 KiB. */
            response_body?: string | null;
            /** Format: int32 */
            response_status?: number | null;
            /**
             * @description `success`, `failed`, or `cancelled` where the transform had nothing to send.
             * @example success
             */
            status: string;
        };
        /** @description What is tried, and on what. */
        Tried: {
            event?: components["schemas"]["TriedEvent"] | null;
            /** @description An event that came in. */
            event_id?: string | null;
            filter?: Record<string, unknown> | null;
            headers?: {
                [key: string]: string;
            } | null;
            /** @description `slack`, `discord`, `teams` or `generic`. */
            template?: string | null;
            transform?: string | null;
        };
        /** @description An event that is made up. It may be one as the API shows it. */
        TriedEvent: {
            data?: Record<string, unknown>;
            occurred_at?: string | null;
            provider?: string | null;
            source?: string | null;
            /** @example task.created */
            type: string;
            user_id?: string | null;
        };
        /** @description What an event type is to be. */
        TypeTerms: {
            /** @description When it happens. */
            description: string;
            /** @description An example of `data`. */
            example?: Record<string, unknown> | null;
            /** @description The JSON Schema of `data`; made from the example where it is left out. */
            schema?: Record<string, unknown> | null;
            /**
             * @description Words of a-z, 0-9, _ and - joined by dots.
             * @example order.paid
             */
            type: string;
            /** @description In whose catalogue. A user's key may leave it out; with the admin key, left out or `null` means everyone's. */
            user_id?: string | null;
        };
        /** @description How an address is replaced. */
        UrlRotation: {
            /**
             * Format: int32
             * @description For how long the old address goes on working, 0 to 672.
             * @default 24
             */
            overlap_hours: number | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    fetch_emails: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["FetchBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Fetched"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_connections: {
        parameters: {
            query?: {
                /** @description Whose. */
                user_id?: string;
                /** @description At most so many, 1 to 200. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Listed_ShownConnection"];
                };
            };
        };
    };
    create_connection: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ConnectionBody"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownConnection"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            502: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    read_connection: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownConnection"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    delete_connection: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    change_connection: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ConnectionChange"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownConnection"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    create_registration: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RegistrationBody"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownRegistration"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    delete_registration: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
                registration: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    sync_connection: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["BegunSync"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_conversations: {
        parameters: {
            query?: {
                /** @description Whose. */
                user_id?: string;
                /** @description At most so many, 1 to 200. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Listed_ShownConversation"];
                };
            };
        };
    };
    create_conversation: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ConversationBody"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownConversation"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    read_conversation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownConversation"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    change_conversation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ConversationTerms"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownConversation"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_messages: {
        parameters: {
            query?: {
                /** @description At most so many, 1 to 200. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Listed_ShownMessage"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    post_message: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MessageBody"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownMessage"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    change_message: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
                message_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["StatusBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownMessage"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    mark_conversation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownConversation"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_deliveries: {
        parameters: {
            query?: {
                /** @description With this status. */
                status?: string;
                /** @description Carrying events of this type. */
                event_type?: string;
                /** @description Of this subscription. */
                subscription_id?: string;
                /** @description Of this user's subscriptions. */
                user_id?: string;
                /** @description Made at or after. */
                since?: string;
                /** @description Made before. */
                until?: string;
                /** @description At most so many, 1 to 200. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Listed_ShownDelivery"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    change_deliveries: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Bulk"];
            };
        };
        responses: {
            /** @description Counted, for `dry_run` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Begun"];
                };
            };
            /** @description Counted and begun */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Begun"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    read_delivery: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeliveryWithAttempts"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    cancel_delivery: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownDelivery"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    retry_delivery: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownDelivery"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_emails: {
        parameters: {
            query?: {
                /** @description Whose. */
                user_id?: string;
                /** @description Of one thread of that user's. */
                thread_id?: string;
                /** @description At most so many, 1 to 200. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Listed_ShownEmail"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    read_email: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownEmail"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_events: {
        parameters: {
            query?: {
                /** @description Whose. */
                user_id?: string;
                /** @description Of this type. */
                type?: string;
                /** @description From this source. */
                source?: string;
                /** @description Received at or after. */
                since?: string;
                /** @description Received before. */
                until?: string;
                /** @description At most so many, 1 to 200. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Listed_ShownEvent"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    publish_events: {
        parameters: {
            query?: never;
            header?: {
                "Idempotency-Key"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PublishBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description `idempotency_key_reused` */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing was kept: send it again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    read_event: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["EventWithDeliveries"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    read_raw_event: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The request's body, byte for byte */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    resend_event: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Resending"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownDelivery"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_jobs: {
        parameters: {
            query?: {
                /** @description Whose. */
                user_id?: string;
                /** @description At most so many, 1 to 200. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Listed_ShownJob"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    read_job: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownJob"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    cancel_job: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownJob"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_keys: {
        parameters: {
            query?: {
                /** @description At most so many, 1 to 200. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Listed_ShownKey"];
                };
            };
        };
    };
    create_key: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["KeyTerms"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewKey"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    delete_key: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    finish_authorization: {
        parameters: {
            query?: {
                state?: string;
                code?: string;
                error?: string;
            };
            header?: never;
            path: {
                provider: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownConnection"];
                };
            };
            302: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    start_authorization: {
        parameters: {
            query?: {
                /** @description Whose connection it is to be. A user's key may leave it out. */
                user_id?: string;
                /** @description Where the browser goes in the end, with `connection_id` or `error` in the query. */
                redirect?: string;
            };
            header?: never;
            path: {
                provider: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Authorization"];
                };
            };
            302: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    send_frame: {
        parameters: {
            query?: {
                /** @description For whom the operator sends. */
                user_id?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SentFrame"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownAck"];
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing was kept: send it again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    open_events: {
        parameters: {
            query?: {
                /** @description A cursor, `now` or `earliest`; `lastEventId` is the same, for clients that stand in for the browser's own. */
                cursor?: string;
                /** @description Types of events, as in subscriptions, with commas between. */
                types?: string;
                /** @description Whom the operator wants to see. */
                user_id?: string;
                /** @description A key or token, for clients that cannot send a header. */
                token?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream follows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": unknown;
                };
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The user has too many streams */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description There are too many streams here */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    open_socket: {
        parameters: {
            query?: {
                /** @description A key or token, for clients that cannot send a header and would rather not say it in `hello`. */
                token?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream follows */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description This is no request for a WebSocket */
            426: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The user has too many streams */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description There are too many streams here */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_rejections: {
        parameters: {
            query?: {
                /** @description At most so many, 1 to 200. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Listed_ShownRejection"];
                };
            };
        };
    };
    list_senders: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Senders"];
                };
            };
        };
    };
    begin_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SessionTerms"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownSession"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    end_session: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_sources: {
        parameters: {
            query?: {
                /** @description Whose. */
                user_id?: string;
                /** @description At most so many, 1 to 200. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Listed_ShownSource"];
                };
            };
        };
    };
    create_source: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SourceTermsBody"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewSource"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    read_source: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownSource"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    delete_source: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    change_source: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SourceTermsBody"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownSource"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    rotate_source_url: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UrlRotation"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewSource"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    read_statistics: {
        parameters: {
            query?: {
                /** @description Whose subscriptions. */
                user_id?: string;
                /** @description Hours that began at or after; a day ago where it is left out. */
                since?: string;
                /** @description Hours that began before; now where it is left out. */
                until?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeliveryStatistics"];
                };
            };
        };
    };
    read_stats: {
        parameters: {
            query?: {
                /** @description How long a bucket is. */
                bucket?: "minute" | "hour" | "day";
                /** @description Whose events. */
                user_id?: string;
                /** @description Received at or after; a day ago where it is left out. */
                since?: string;
                /** @description Received before; now where it is left out. */
                until?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Stats"];
                };
            };
        };
    };
    create_token: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TokenTerms"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewToken"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_subscriptions: {
        parameters: {
            query?: {
                /** @description Whose. */
                user_id?: string;
                /** @description At most so many, 1 to 200. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Listed_ShownSubscription"];
                };
            };
        };
    };
    create_subscription: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SubscriptionTerms"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NewSubscription"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    receive_composio: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description As the provider sends it */
        requestBody?: {
            content: {
                "*/*"?: never;
            };
        };
        responses: {
            /** @description Kept, or known already */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description Genuine, and not readable */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The signature is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing was kept: send it again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    receive_discord_without_user: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description As the provider sends it */
        requestBody?: {
            content: {
                "*/*"?: never;
            };
        };
        responses: {
            /** @description Kept, or known already */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description Genuine, and not readable */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The signature is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing was kept: send it again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    receive_discord: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                user: string;
            };
            cookie?: never;
        };
        /** @description As the provider sends it */
        requestBody?: {
            content: {
                "*/*"?: never;
            };
        };
        responses: {
            /** @description Kept, or known already */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description Genuine, and not readable */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The signature is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing was kept: send it again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_event_types: {
        parameters: {
            query?: {
                /** @description The user whose types are meant, beside everyone's. */
                user_id?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Catalogue"];
                };
            };
        };
    };
    create_event_type: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["TypeTerms"];
            };
        };
        responses: {
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownType"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    delete_event_type: {
        parameters: {
            query?: {
                /** @description The user whose types are meant, beside everyone's. */
                user_id?: string;
            };
            header?: never;
            path: {
                type: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    pull_events: {
        parameters: {
            query?: {
                /** @description The queue; `default` where it is left out. */
                queue?: string;
                /** @description Whose queue: names are per user. The admin key may leave it out, and pulls from all of that name. */
                user_id?: string;
                /** @description At most so many events, 1 to 100; 10 where it is left out. */
                limit?: number;
                /** @description How long they are held for this worker, 1 to 3600; 60 where it is left out. */
                lease_seconds?: number;
                /** @description How long to wait for the first event, 0 to 30; 0 where it is left out. */
                wait_seconds?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Pulled"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    complete_event: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                event_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Completion"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownDelivery"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    extend_lease: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                event_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Extension"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Extended"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    fail_event: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                event_id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Failure"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownDelivery"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    receive_github: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                user: string;
            };
            cookie?: never;
        };
        /** @description As the provider sends it */
        requestBody?: {
            content: {
                "*/*"?: never;
            };
        };
        responses: {
            /** @description Kept, or known already */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description Genuine, and not readable */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The signature is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing was kept: send it again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    receive_gmail: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description As the provider sends it */
        requestBody?: {
            content: {
                "*/*"?: never;
            };
        };
        responses: {
            /** @description Kept, or known already */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description Genuine, and not readable */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The signature is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing was kept: send it again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_receivers: {
        parameters: {
            query?: {
                /** @description Of this user's subscriptions. */
                user_id?: string;
                /** @description At most so many subscriptions, 1 to 200. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Listed_ReceiverHealth"];
                };
            };
        };
    };
    list_registrations: {
        parameters: {
            query?: {
                /** @description Whose. */
                user_id?: string;
                /** @description Where. */
                provider?: string;
                /** @description At most so many, 1 to 200. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Listed_ShownRegistration"];
                };
            };
        };
    };
    preview_request: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Tried"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Preview"];
                };
            };
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    receive_slack: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                user: string;
            };
            cookie?: never;
        };
        /** @description As the provider sends it */
        requestBody?: {
            content: {
                "*/*"?: never;
            };
        };
        responses: {
            /** @description Kept, or known already */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description Genuine, and not readable */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The signature is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing was kept: send it again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    receive_unipile: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** @description As the provider sends it */
        requestBody?: {
            content: {
                "*/*"?: never;
            };
        };
        responses: {
            /** @description Kept, or known already */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description Genuine, and not readable */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The signature is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing was kept: send it again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    receive_youtube: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                user: string;
            };
            cookie?: never;
        };
        /** @description As the provider sends it */
        requestBody?: {
            content: {
                "*/*"?: never;
            };
        };
        responses: {
            /** @description Kept, or known already */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description Genuine, and not readable */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The signature is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing was kept: send it again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    read_subscription: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownSubscription"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    delete_subscription: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    change_subscription: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SubscriptionTerms"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShownSubscription"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    list_subscription_deliveries: {
        parameters: {
            query?: {
                /** @description With this status. */
                status?: string;
                /** @description Carrying events of this type. */
                event_type?: string;
                /** @description Of this subscription. */
                subscription_id?: string;
                /** @description Of this user's subscriptions. */
                user_id?: string;
                /** @description Made at or after. */
                since?: string;
                /** @description Made before. */
                until?: string;
                /** @description At most so many, 1 to 200. */
                limit?: number;
                /** @description `next_cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Listed_ShownDelivery"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    replay_events: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Replaying"];
            };
        };
        responses: {
            /** @description Counted, for `dry_run` */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Begun"];
                };
            };
            /** @description Counted and begun */
            202: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Begun"];
                };
            };
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    rotate_secret: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["SecretRotation"];
            };
        };
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["RotatedSubscription"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    test_subscription: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Trial"];
                };
            };
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    read_health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    read_liveness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    read_readiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    receive_custom: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The last part of the source's URL */
                token: string;
            };
            cookie?: never;
        };
        /** @description As the sender sends it */
        requestBody: {
            content: {
                "application/json": unknown;
            };
        };
        responses: {
            /** @description Kept, or known already; some senders want an answer of their own */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Accepted"];
                };
            };
            /** @description Genuine, and not readable */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The signature is missing or wrong */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description It comes from an address that is not on the source's list */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such source */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Too many requests */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description Nothing was kept: send it again */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    read_metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description OpenMetrics text */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    open_messages: {
        parameters: {
            query?: {
                /** @description A cursor, `now` or `earliest`. */
                cursor?: string;
                /** @description Whom the operator wants to see. */
                user_id?: string;
                /** @description A key or token, for clients that cannot send a header. */
                token?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The stream follows */
            101: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description The user has too many streams */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
            /** @description There are too many streams here */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
