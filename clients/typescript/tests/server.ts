/** A stand-in for a Waystation's hub: the same frames over both transports, from a log in memory. */

import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket } from "ws";
import type { ClientFrame, Event, ServerFrame } from "../src/frames.js";

/** One client's connection, whichever way it came. */
export interface Connection {
  hello: { token: string | undefined; cursor: string; types: readonly string[] | undefined };
  /** What this connection has been told, in order. */
  told: ServerFrame[];
  /** What it has said after its hello. */
  heard: ClientFrame[];
  tell(frame: ServerFrame): void;
  end(): void;
}

export const cursorOf = (position: number) => "cur_" + position.toString(16).padStart(16, "0");

export class Server {
  readonly connections: Connection[] = [];
  heartbeatSeconds = 25;
  /** Positions below this are no longer kept. */
  oldest = 0;
  /** Tokens that are refused. */
  readonly refused = new Set<string>();
  /** Acknowledgements that are lost on their way. */
  acksToLose = 0;
  /** What has been sent, once for each key. */
  readonly sent: ClientFrame[] = [];
  /** Events that a connection is not told of, as if it had been lost. */
  readonly skipped = new Set<number>();
  readonly #log: Event[] = [];
  readonly #live = new Map<Connection, { position: number; previous: string; types: readonly string[] | undefined }>();
  readonly #acks = new Map<string, string>();
  readonly #http: HttpServer;
  #watchers: (() => void)[] = [];

  private constructor() {
    this.#http = createServer((request, response) => void this.#answer(request, response));
    const sockets = new WebSocketServer({ server: this.#http, path: "/api/realtime/ws" });
    sockets.on("connection", (socket) => this.#greet(socket));
  }

  static async start(): Promise<Server> {
    const server = new Server();
    await new Promise<void>((done) => server.#http.listen(0, "127.0.0.1", done));
    return server;
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  stop(): void {
    for (const connection of this.#live.keys()) connection.end();
    this.#http.close();
    this.#http.closeAllConnections();
  }

  append(type: string, data: unknown = {}): Event {
    const id = `evt_${this.#log.length + 1}`;
    const now = "2026-11-21T09:30:00.125Z";
    const event: Event = { id, type, user_id: "alice", source: "api", provider: null, occurred_at: now, received_at: now, data };
    this.#log.push(event);
    for (const connection of this.#live.keys()) this.#advance(connection);
    return event;
  }

  beat(connection: Connection): void {
    const at = this.#live.get(connection)!;
    at.previous = cursorOf(at.position);
    connection.tell({ t: "heartbeat", cursor: at.previous });
  }

  /** Settles when something that this server has seen makes `holds` true. */
  async until<T>(holds: () => T | undefined | false): Promise<T> {
    for (;;) {
      const found = holds();
      if (found) return found;
      await new Promise<void>((wake) => this.#watchers.push(wake));
    }
  }

  #changed(): void {
    const watchers = this.#watchers;
    this.#watchers = [];
    watchers.forEach((wake) => wake());
  }

  #greet(socket: WebSocket): void {
    let connection: Connection | undefined;
    socket.on("error", () => {});
    socket.on("message", (text) => {
      const frame = JSON.parse(String(text)) as ClientFrame;
      if (connection) return this.#hear(connection, frame);
      if (frame.t != "hello") return socket.close(1002);
      connection = this.#open(
        { token: frame.token, cursor: frame.cursor, types: frame.types },
        (told) => socket.send(JSON.stringify(told)),
        () => socket.close(),
      );
    });
    socket.on("close", () => connection && this.#live.delete(connection) && this.#changed());
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, this.url);
    const token = request.headers.authorization?.replace("Bearer ", "");
    if (token !== undefined && this.refused.has(token)) return void response.writeHead(401).end("{}");
    if (url.pathname == "/api/realtime/send") {
      const chunks = await request.toArray();
      const frame = JSON.parse(Buffer.concat(chunks).toString()) as ClientFrame;
      const ack = this.#keep(frame);
      return void (ack ? response.end(JSON.stringify(ack)) : response.destroy());
    }
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    const tell = (frame: ServerFrame) => {
      const id = "cursor" in frame && frame.cursor ? `id: ${frame.cursor}\n` : "";
      response.write(`data: ${JSON.stringify(frame)}\n${id}\n`);
    };
    const cursor = url.searchParams.get("cursor") ?? "now";
    const types = url.searchParams.get("types")?.split(",");
    const connection = this.#open({ token, cursor, types }, tell, () => response.end());
    response.on("close", () => this.#live.delete(connection) && this.#changed());
  }

  #open(hello: Connection["hello"], tell: (frame: ServerFrame) => void, end: () => void): Connection {
    const connection: Connection = {
      hello, heard: [], told: [], end,
      tell: (frame) => {
        connection.told.push(frame);
        tell(frame);
      },
    };
    this.connections.push(connection);
    if (hello.token !== undefined && this.refused.has(hello.token)) {
      connection.tell({ t: "bye", code: "unauthorized", retry: false });
      end();
    } else {
      this.#begin(connection);
    }
    this.#changed();
    return connection;
  }

  #begin(connection: Connection): void {
    const { cursor, types } = connection.hello;
    const head = this.#log.length;
    let position = cursor == "now" ? head : cursor == "earliest" ? this.oldest : parseInt(cursor.slice(4), 16);
    const reason = !(position <= head) ? "unknown" : position < this.oldest ? "expired" : undefined;
    if (reason) position = reason == "expired" ? this.oldest : head;
    const previous = cursorOf(position);
    connection.tell({ t: "ready", connection: "c" + this.connections.length, cursor: previous, heartbeat_seconds: this.heartbeatSeconds });
    if (reason) connection.tell({ t: "reset", reason, cursor: previous });
    this.#live.set(connection, { position, previous, types });
    this.#advance(connection);
  }

  #advance(connection: Connection): void {
    const at = this.#live.get(connection)!;
    for (; at.position < this.#log.length; at.position++) {
      const event = this.#log[at.position]!;
      if (at.types && !at.types.some((type) => type == event.type || (type.endsWith("*") && event.type.startsWith(type.slice(0, -1))))) continue;
      const cursor = cursorOf(at.position + 1);
      if (this.skipped.delete(at.position)) {
        at.previous = cursor;
        continue;
      }
      connection.tell({ t: "event", cursor, previous: at.previous, event });
      at.previous = cursor;
    }
  }

  #hear(connection: Connection, frame: ClientFrame): void {
    connection.heard.push(frame);
    const ack = frame.t == "send" && this.#keep(frame);
    if (ack) connection.tell(ack);
    this.#changed();
  }

  /** Keeps what is new under its key; the answer is the first one's. */
  #keep(frame: ClientFrame): ServerFrame | undefined {
    if (frame.t != "send") return;
    if (!this.#acks.has(frame.key)) {
      this.sent.push(frame);
      this.#acks.set(frame.key, cursorOf(this.#log.length));
    }
    this.#changed();
    if (this.acksToLose > 0) return void this.acksToLose--;
    return { t: "ack", id: frame.id, ok: true, cursor: this.#acks.get(frame.key)! };
  }
}
