/**
 * Follows a Waystation's events, from a browser or from Node: each one once, in order, and none missed across a lost
 * connection, a restart of the server or a move to another of its nodes.
 *
 * ```ts
 * const stream = connect({ url: "https://hooks.example.com", getToken: () => fetch("/token").then((r) => r.text()) });
 * stream.on("event", (event, cursor) => console.log(event.type, cursor));
 * stream.on("github.push", (push) => console.log(push.data));
 * ```
 *
 * What makes it sure is the cursor. The client keeps that of the last event it has handed over, and asks for what comes
 * after it whenever it connects. Each event names the cursor before it; where that is not the client's own, something is
 * missing, and it connects again from where it was.
 */

import type { Ack, Bye, ClientFrame, Ephemeral, Event, Reset, Sent, ServerFrame } from "./frames.js";
import { openSocket, openStream, type Transport } from "./transport.js";

export type { Ack, Bye, Ephemeral, Event, Reset, Sent } from "./frames.js";

export interface Options {
  /** Where the Waystation is: `https://hooks.example.com`. */
  url: string;
  /**
   * Asked before each connection, and shortly before a token that tells its end expires. Nothing means that a cookie says
   * who asks. One that throws is asked again later.
   */
  getToken?: () => string | undefined | Promise<string | undefined>;
  /** After which place: a cursor, `"earliest"`, or `"now"`, which it is otherwise. */
  cursor?: string;
  /** Types as subscriptions name them: `["message.*"]`. All, where it is left out. */
  types?: readonly string[];
  /** Only this way. Otherwise a WebSocket where there is one, and server-sent events where there is none or it never gets through. */
  transport?: "websocket" | "sse";
}

/** `waiting` is for the next try; `closed` is for good. */
export type State = "connecting" | "open" | "waiting" | "closed";

/** What can be listened to; every other name is an event type, and is handed that type's events. */
export interface Told {
  event: [event: Event, cursor: string];
  ready: [cursor: string];
  reset: [reset: Reset];
  ephemeral: [ephemeral: Ephemeral];
  /** With what the server said, if it ended the connection. */
  state: [state: State, bye?: Bye];
}

export type Handler<Name extends string> = (
  ...told: Name extends keyof Told ? Told[Name] : [event: Event<any>, cursor: string]
) => void;

export interface Stream {
  readonly state: State;
  /** That of the last event handed over, or of the place in the log that the server has told since. Can be connected from. */
  readonly cursor: string;
  /** Calls `handler` from now on; the answer ends that. */
  on<Name extends keyof Told | (string & {})>(name: Name, handler: Handler<Name>): () => void;
  /**
   * Sends, now or once connected again, and settles with the server's answer; it never rejects. However often the
   * connection is lost meanwhile, the server does it once. `typing` is dropped when it cannot be sent now.
   */
  send<Type extends Sent["type"]>(type: Type, data: Extract<Sent, { type: Type }>["data"]): Promise<Ack>;
  /** Ends it. What has not been answered is settled as not done, though it may have been. */
  close(): void;
}

/** Waits are drawn from 0 to these: many clients that lost one server do not come back at one moment. */
const BACKOFF_MS = 500;
const BACKOFF_MS_MAX = 30_000;
/** How long it may take to be ready. */
const READY_WITHIN_MS = 15_000;
/** Silence that is a lost connection, in heartbeats. */
const HEARTBEATS_MISSED_MAX = 2;
/** Connections over a WebSocket that may fail in a row before the other way is tried, every other time. */
const SOCKET_FAILURES_MAX = 2;
/** What may wait for an answer. */
const PENDING_MAX = 1_000;
/** How long before its end a token is replaced. */
const TOKEN_AHEAD_MS = 30_000;

type SendFrame = Extract<ClientFrame, { t: "send" }>;

/** Not `randomUUID`, which pages on plain HTTP do not have. */
const randomKey = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

export function connect({ url, getToken, cursor = "now", types, transport }: Options): Stream {
  const base = url.replace(/^ws/, "http").replace(/\/+(api\/realtime(\/\w+)?\/*)?$/, "");
  const handlers = new Map<string, Set<(...told: any) => void>>();
  const pending = new Map<number, { frame: SendFrame; settle(ack: Ack): void }>();
  let state: State = "waiting";
  let current: Transport | undefined;
  /** Counts connections, so that what belongs to an old one is known for it. */
  let generation = 0;
  /** Since the last that became ready. */
  let failures = 0;
  let lastId = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let renewal: typeof timer;
  let silenceMs: number;

  /** A handler's mistake is the application's: it is thrown where it does not disturb the stream. */
  const tell = (name: string, ...told: unknown[]) => {
    for (const handler of [...(handlers.get(name) ?? [])]) {
      try {
        // One that has closed the stream has heard enough.
        if (state != "closed" || name == "state") handler(...told);
      } catch (error) {
        setTimeout(() => { throw error; });
      }
    }
  };

  const enter = (next: State, bye?: Bye) => {
    state = next;
    tell("state", next, bye);
  };

  const after = (milliseconds: number, act: () => void) => {
    clearTimeout(timer);
    timer = setTimeout(act, milliseconds);
  };

  const settle = (id: number, ack: Ack) => {
    pending.get(id)?.settle(ack);
    pending.delete(id);
  };

  const refused = (code: string, detail: string): Ack => ({ ok: false, error: { code, detail } });

  const drop = () => {
    generation++;
    clearTimeout(renewal);
    current?.close();
    current = undefined;
  };

  /** Takes leave of the connection, and waits for the next. */
  const lose = (bye?: Bye) => {
    if (bye?.retry === false) return close(bye);
    drop();
    for (const [id, { frame }] of pending) if (frame.type == "typing") settle(id, refused("offline", "not connected"));
    after(Math.random() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** failures++), open);
    enter("waiting", bye);
  };

  const open = async () => {
    const mine = ++generation;
    const isMine = () => mine == generation;
    after(READY_WITHIN_MS, lose);
    enter("connecting");
    try {
      const token = await getToken?.();
      if (!isMine()) return;
      const isSocket = transport ? transport != "sse" : "WebSocket" in globalThis
        && (failures < SOCKET_FAILURES_MAX || failures % 2 == 0);
      current = (isSocket ? openSocket : openStream)({
        base, token, cursor, types,
        onFrame: (frame) => isMine() && take(frame),
        onEnd: () => isMine() && lose(),
      });
      if (token && isSocket) renewBefore(token, isMine);
    } catch {
      if (isMine()) lose();
    }
  };

  /** Hands a fresh token in while the connection lasts. Over server-sent events it ends with its token, and is made anew. */
  const renewBefore = (token: string, isMine: () => boolean) => {
    let ends: number;
    try {
      ends = JSON.parse(atob(token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"))).exp * 1_000;
    } catch {
      return; // It is a key, which tells no end.
    }
    // Never more often than twice a minute, whatever the two clocks say; a timer cannot wait for longer than 24 days.
    const wait = Math.min(Math.max(ends - Date.now() - TOKEN_AHEAD_MS, TOKEN_AHEAD_MS), 2 ** 31 - 1);
    renewal = setTimeout(async () => {
      const fresh = await Promise.resolve(getToken!()).catch(() => {});
      if (!isMine() || !fresh) return;
      if (state == "open") current!.send({ t: "auth", token: fresh });
      renewBefore(fresh, isMine);
    }, wait);
  };

  const take = (frame: ServerFrame) => {
    if (state == "open") after(silenceMs, lose);
    switch (frame.t) {
      case "ready":
        failures = 0;
        cursor = frame.cursor;
        silenceMs = frame.heartbeat_seconds * 1_000 * HEARTBEATS_MISSED_MAX;
        after(silenceMs, lose);
        enter("open");
        tell("ready", cursor);
        for (const { frame } of pending.values()) current?.send(frame);
        break;
      case "event":
        if (frame.cursor == cursor) break;
        if (frame.previous != cursor) return lose();
        cursor = frame.cursor;
        tell("event", frame.event, cursor);
        tell(frame.event.type, frame.event, cursor);
        break;
      case "heartbeat":
        cursor = frame.cursor;
        current!.send({ t: "pong" });
        break;
      case "reset":
        cursor = frame.cursor;
        tell("reset", { reason: frame.reason, cursor });
        break;
      case "ephemeral":
        tell("ephemeral", { type: frame.type, from: frame.from, data: frame.data });
        break;
      case "ack":
        settle(frame.id, { ok: frame.ok, ...(frame.cursor && { cursor: frame.cursor }), ...(frame.error && { error: frame.error }) });
        break;
      case "bye":
        lose({ code: frame.code, retry: frame.retry });
    }
  };

  /** When the network or the reader is back, nobody waits. */
  const hurry = () => {
    if (state == "waiting" && globalThis.document?.visibilityState != "hidden") void open();
  };
  globalThis.addEventListener?.("online", hurry);
  globalThis.document?.addEventListener("visibilitychange", hurry);

  const close = (bye?: Bye) => {
    if (state == "closed") return;
    drop();
    clearTimeout(timer);
    globalThis.removeEventListener?.("online", hurry);
    globalThis.document?.removeEventListener("visibilitychange", hurry);
    for (const id of pending.keys()) settle(id, refused("closed", "the stream was closed"));
    enter("closed", bye);
  };

  // Not before the caller has said what it listens to.
  after(0, open);

  return {
    get state() { return state; },
    get cursor() { return cursor; },
    on(name, handler) {
      const all = handlers.get(name) ?? new Set();
      handlers.set(name, all.add(handler));
      return () => void all.delete(handler);
    },
    send(type, data) {
      const frame = { t: "send", id: ++lastId, key: randomKey(), type, data } as SendFrame;
      if (state == "closed") return Promise.resolve(refused("closed", "the stream was closed"));
      if (pending.size >= PENDING_MAX) return Promise.resolve(refused("full", "too much waits for an answer"));
      if (type == "typing" && state != "open") return Promise.resolve(refused("offline", "not connected"));
      return new Promise((settle) => {
        pending.set(frame.id, { frame, settle });
        if (state == "open") current!.send(frame);
      });
    },
    close: () => close(),
  };
}
