/** What client and server say to each other. Both transports carry these same frames, as JSON. */

/** A fact that a Waystation keeps. */
export interface Event<Data = unknown> {
  /** `evt_…` */
  id: string;
  /** Dotted lower case: `github.push`. */
  type: string;
  user_id: string | null;
  source: string;
  provider: string | null;
  /** When it happened; ISO 8601 in UTC, as all times are. */
  occurred_at: string;
  /** When it came in. */
  received_at: string;
  data: Data;
}

/** From the server. One whose `t` is not known here is passed over, so that a newer server can say more. */
export type ServerFrame =
  | { t: "ready"; connection: string; cursor: string; heartbeat_seconds: number }
  | { t: "event"; cursor: string; previous: string; event: Event }
  | ({ t: "ephemeral" } & Ephemeral)
  | { t: "heartbeat"; cursor: string }
  | ({ t: "reset" } & Reset)
  | ({ t: "bye" } & Bye)
  | ({ t: "ack"; id: number } & Ack);

/** From the client. */
export type ClientFrame =
  | { t: "hello"; v: 1; token?: string; cursor: string; types?: readonly string[] }
  | ({ t: "send"; id: number; key: string } & Sent)
  | { t: "auth"; token: string }
  | { t: "pong" };

/** What happens and is not kept, such as somebody typing. */
export interface Ephemeral {
  type: string;
  /** The user. */
  from: string;
  data: unknown;
}

/** The place that was asked for is no longer, or never was, in the log: what is shown should be read anew. */
export interface Reset {
  reason: "expired" | "unknown";
  /** From where the stream goes on. */
  cursor: string;
}

/** Why the server ends a connection. With `retry: false` another try would end the same way. */
export interface Bye {
  code: string;
  retry: boolean;
}

/** What can be sent. */
export type Sent =
  | { type: "message.send"; data: { conversation_id: string; content: string; content_type?: string; filename?: string } }
  | { type: "read.mark"; data: { conversation_id: string } }
  | { type: "typing"; data: { conversation_id: string; state: string } };

/** The answer to what was sent: `ok` once it is kept. */
export interface Ack {
  ok: boolean;
  /** Where in the log it is. */
  cursor?: string;
  error?: { code: string; detail: string };
}
