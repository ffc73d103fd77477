/** What holds on both transports, against a stand-in server and through a wire that fails. */

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it, mock } from "node:test";
import { WebSocket } from "ws";
import { connect, type Ack, type Bye, type Options, type State, type Stream } from "../src/index.js";
import { Proxy } from "./proxy.js";
import { Server, cursorOf } from "./server.js";

/** Chance that repeats. */
function chance(seed: number): (below: number) => number {
  return (below) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
}

/** Everything that a stream has told, and a way to wait for it. */
class Listener {
  readonly events: string[] = [];
  readonly states: [State, Bye?][] = [];
  #wake: (() => void)[] = [];

  constructor(readonly stream: Stream) {
    stream.on("event", (event) => this.#note(() => this.events.push(event.id)));
    stream.on("state", (...state) => this.#note(() => this.states.push(state)));
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((wake) => this.#wake.push(wake));
  }

  #note(add: () => void): void {
    add();
    this.#wake.splice(0).forEach((wake) => wake());
  }
}

before(() => {
  // Node 20 has none. A browser's is told apart by nothing that the client uses.
  (globalThis as any).WebSocket = WebSocket;
  // No time is spent waiting between tries; how long they would be is another test's business.
  mock.method(Math, "random", () => 0);
});
after(() => mock.restoreAll());

for (const transport of ["websocket", "sse"] as const) {
  describe(`over ${transport}`, () => {
    let server: Server;
    let proxy: Proxy;
    const streams: Stream[] = [];

    beforeEach(async () => {
      server = await Server.start();
      proxy = await Proxy.start(server.port);
    });
    afterEach(() => {
      streams.splice(0).forEach((stream) => stream.close());
      proxy.stop();
      server.stop();
    });

    const listen = (options: Partial<Options> = {}) => {
      const stream = connect({ url: proxy.url, transport, getToken: () => "token", ...options });
      streams.push(stream);
      return new Listener(stream);
    };
    const opened = async (listener: Listener) => {
      await listener.until(() => listener.stream.state == "open");
      return server.connections.at(-1)!;
    };

    it("says who asks, from where, and for what", async () => {
      const connection = await opened(listen({ cursor: "earliest", types: ["message.*", "a.b"] }));
      assert.deepEqual(connection.hello, { token: "token", cursor: "earliest", types: ["message.*", "a.b"] });
    });

    it("hands an event to those who listen to all and to those of its type", async () => {
      const listener = listen();
      const seen: unknown[] = [];
      listener.stream.on("task.done", (event, cursor) => seen.push([event.data, cursor]));
      const end = listener.stream.on("task.done", () => seen.push("removed"));
      end();
      await opened(listener);
      server.append("task.new");
      server.append("task.done", { title: "Mend the door" });
      await listener.until(() => listener.events.length == 2);
      assert.deepEqual(seen, [[{ title: "Mend the door" }, cursorOf(2)]]);
      assert.equal(listener.stream.cursor, cursorOf(2));
    });

    it("hands each event over once and in order, however often the wire is cut", async () => {
      const draw = chance(8400);
      // Anywhere: in a handshake, in a frame, or between two.
      proxy.onWire = (wire) => (wire.cutAfter = draw(4) == 0 ? draw(300) : 300 + draw(3_000));
      const listener = listen({ cursor: "earliest" });
      const sent: string[] = [];
      for (let round = 0; round < 150; round++) {
        for (let count = draw(5); count >= 0; count--) sent.push(server.append("task.new", "x".repeat(draw(500))).id);
        // Every other time it is cut while it is idle.
        if (draw(2) == 0) proxy.wires.at(-1)?.cut();
        await listener.until(() => listener.events.length >= sent.length - draw(20));
      }
      proxy.onWire = () => {};
      await listener.until(() => listener.events.length >= sent.length);
      assert.deepEqual(listener.events, sent);
      assert.ok(proxy.wires.length > 100, `${proxy.wires.length} wires`);
    });

    it("notices a wire that has gone silent, and goes on over another", async () => {
      server.heartbeatSeconds = 0.05;
      const listener = listen();
      await opened(listener);
      proxy.wires[0]!.stall();
      const { id } = server.append("task.new");
      await listener.until(() => listener.events.length == 1);
      assert.deepEqual(listener.events, [id]);
      assert.ok(proxy.wires.length >= 2);
    });

    it("pays no heed to what an old connection brings late", async () => {
      server.heartbeatSeconds = 0.05;
      const listener = listen();
      await opened(listener);
      const old = proxy.wires[0]!;
      old.hold();
      const first = server.append("task.new").id;
      await listener.until(() => listener.events.length == 1);
      server.heartbeatSeconds = 25;
      old.release();
      const second = server.append("task.new").id;
      await listener.until(() => listener.events.length >= 2);
      assert.deepEqual(listener.events, [first, second]);
    });

    it("connects again from the last good cursor where an event is missing", async () => {
      const listener = listen();
      await opened(listener);
      server.append("task.new");
      server.skipped.add(1);
      server.append("task.new");
      server.append("task.new");
      await listener.until(() => listener.events.length == 3);
      assert.deepEqual(listener.events, ["evt_1", "evt_2", "evt_3"]);
      assert.equal(server.connections.length, 2);
      assert.equal(server.connections[1]!.hello.cursor, cursorOf(1));
    });

    it("resumes from a heartbeat", async () => {
      const listener = listen({ types: ["wanted"] });
      const connection = await opened(listener);
      server.append("unwanted");
      server.beat(connection);
      if (transport == "websocket") await server.until(() => connection.heard.some((frame) => frame.t == "pong"));
      server.append("wanted");
      await listener.until(() => listener.events.length == 1);
      proxy.wires.at(-1)!.cut();
      const next = await server.until(() => server.connections[1]);
      assert.equal(next.hello.cursor, cursorOf(2));
    });

    it("tells of a reset and goes on from there", async () => {
      server.append("task.new");
      const listener = listen({ cursor: cursorOf(99) });
      const resets: unknown[] = [];
      listener.stream.on("reset", (reset) => resets.push(reset));
      await opened(listener);
      const { id } = server.append("task.new");
      await listener.until(() => listener.events.length == 1);
      assert.deepEqual(resets, [{ reason: "unknown", cursor: cursorOf(1) }]);
      assert.deepEqual(listener.events, [id]);
    });

    it("comes back after a bye, unless it is told not to", async () => {
      const listener = listen();
      (await opened(listener)).tell({ t: "bye", code: "slow", retry: true });
      const next = await server.until(() => server.connections[1]);
      await opened(listener);
      next.tell({ t: "bye", code: "revoked", retry: false });
      await listener.until(() => listener.stream.state == "closed");
      assert.deepEqual(listener.states.at(-1), ["closed", { code: "revoked", retry: false }]);
      assert.ok(listener.states.some(([state, bye]) => state == "waiting" && bye?.code == "slow"));
    });

    it("does not come back with a token that is refused", async () => {
      server.refused.add("token");
      const listener = listen();
      await listener.until(() => listener.stream.state == "closed");
      assert.equal(listener.states.at(-1)![1]!.code, "unauthorized");
    });

    it("asks for a token again when it could not be had", async () => {
      let asked = 0;
      const listener = listen({
        getToken: async () => {
          if (++asked < 3) throw new Error("offline");
          return "third";
        },
      });
      assert.equal((await opened(listener)).hello.token, "third");
    });

    it("sends once, however often the acknowledgement is lost", async () => {
      const listener = listen();
      await opened(listener);
      server.acksToLose = 2;
      const ack = listener.stream.send("message.send", { conversation_id: "c", content: "Hello" });
      if (transport == "websocket") {
        await server.until(() => server.sent.length == 1);
        proxy.wires.at(-1)!.cut();
        await server.until(() => server.acksToLose == 0);
        proxy.wires.at(-1)!.cut();
      }
      assert.deepEqual(await ack, { ok: true, cursor: cursorOf(0) } satisfies Ack);
      assert.equal(server.sent.length, 1);
    });

    it("keeps what is sent before it is connected, except for typing", async () => {
      const listener = listen();
      const read = listener.stream.send("read.mark", { conversation_id: "c" });
      const typing = await listener.stream.send("typing", { conversation_id: "c", state: "on" });
      assert.equal(typing.error!.code, "offline");
      assert.equal((await read).ok, true);
      assert.deepEqual(server.sent.map((frame) => "type" in frame && frame.type), ["read.mark"]);
    });

    it("tells nobody anything once it is closed", async () => {
      const listener = listen();
      listener.stream.on("event", () => listener.stream.close());
      listener.stream.on("task.new", () => assert.fail("it was closed"));
      const connection = await opened(listener);
      server.append("task.new");
      await listener.until(() => listener.stream.state == "closed");
      server.append("task.new");
      await server.until(() => connection.told.length >= 2);
      assert.deepEqual(listener.events, ["evt_1"]);
      assert.equal((await listener.stream.send("read.mark", { conversation_id: "c" })).error!.code, "closed");
    });

    it("is not disturbed by a handler that fails", async () => {
      const listener = listen();
      const failures: unknown[] = [];
      const catchIt = (error: unknown) => failures.push(error);
      process.setUncaughtExceptionCaptureCallback(catchIt);
      listener.stream.on("task.new", () => {
        throw new Error("the application's mistake");
      });
      await opened(listener);
      server.append("task.new");
      server.append("task.new");
      await listener.until(() => listener.events.length == 2);
      await new Promise<void>((done) => setTimeout(done, 1));
      process.setUncaughtExceptionCaptureCallback(null);
      assert.equal(failures.length, 2);
      assert.equal(server.connections.length, 1);
    });
  });
}
