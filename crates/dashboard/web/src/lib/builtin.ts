/** Providers with an address of their own: where it is, what it takes here, and what is to be done there. */

export interface BuiltIn {
  name: string;
  title: string;
  /** Behind the origin; `{user}` is whose events come in there. */
  path: string;
  /** The setting without which nothing is believed. */
  setting: string;
  steps: string[];
}

export const BUILT_IN: BuiltIn[] = [
  {
    name: "github", title: "GitHub", path: "/api/webhooks/github/{user}", setting: "GITHUB_WEBHOOK_SECRET",
    steps: [
      "In the repository or organisation open Settings, then Webhooks, then Add webhook.",
      "Paste the address, choose application/json, and give the secret that is set here.",
      "Choose the events. GitHub sends a ping, which shows up under Events.",
    ],
  },
  {
    name: "slack", title: "Slack", path: "/api/webhooks/slack/{user}", setting: "SLACK_SIGNING_SECRET",
    steps: [
      "In the app's settings open Event Subscriptions and switch them on.",
      "Paste the address as Request URL. Slack checks it at once, and is answered.",
      "Subscribe to bot events. The signing secret is under Basic Information.",
    ],
  },
  {
    name: "gmail", title: "Gmail", path: "/api/webhooks/gmail", setting: "GOOGLE_PUBSUB_AUDIENCE",
    steps: [
      "Make a Pub/Sub topic, and let gmail-api-push@system.gserviceaccount.com publish to it.",
      "Make a push subscription of it with the address as endpoint, and switch authentication on.",
      "Connect the mailbox here: it is then watched, and the watch is renewed.",
    ],
  },
  {
    name: "discord", title: "Discord", path: "/api/webhooks/discord/{user}", setting: "DISCORD_PUBLIC_KEY",
    steps: [
      "In the application's settings open Webhooks, and paste the address as Endpoint URL.",
      "Discord asks it twice, once with a wrong signature. Save when it says that it is good.",
      "Choose the events. The public key is under General Information.",
    ],
  },
  {
    name: "composio", title: "Composio", path: "/api/webhooks/composio", setting: "COMPOSIO_WEBHOOK_SECRET",
    steps: [
      "In the project's settings open Webhooks, and paste the address.",
      "Copy the secret from there into the configuration here.",
      "Connect the account here by its id, and register a trigger for it.",
    ],
  },
  {
    name: "unipile", title: "Unipile", path: "/api/webhooks/unipile/messages", setting: "UNIPILE_WEBHOOK_SECRET",
    steps: [
      "In Unipile's dashboard open Webhooks, and make one for messaging, mail and account status.",
      "Paste the address, and add a header Unipile-Auth with the secret that is set here.",
      "Connect the accounts here by their ids.",
    ],
  },
  {
    name: "youtube", title: "YouTube", path: "/api/webhooks/youtube/{user}", setting: "WEBHOOK_BASE_URL",
    steps: [
      "Nothing is to be done there: the hub of YouTube is asked from here.",
      "Connect the account, and register a channel for it.",
      "The hub asks the address whether that was meant, and is answered. The lease is renewed.",
    ],
  },
];
