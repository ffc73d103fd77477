/** How long it waits, what cuts that short, and which way it takes: on a clock and sockets that the tests move. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it, mock } from "node:test";
import { connect, type Options, type Stream } from "../src/index.js";

/** A socket that does what the test says. */
class FakeSocket {
  static all: FakeSocket[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly sent: any[] = [];

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }

  static get last(): FakeSocket {
    return FakeSocket.all.at(-1)!;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {}

  ready(): void {
    this.onopen?.();
    this.onmessage?.({ data: JSON.stringify({ t: "ready", connection: "c", cursor: "cur_0", heartbeat_seconds: 25 }) });
  }
}

/** Lets promises settle that are settled already. */
const settled = async () => {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
};

describe("waiting", () => {
  let stream: Stream | undefined;
  let page: EventTarget & { visibilityState: string };

  beforeEach(() => {
    FakeSocket.all = [];
    mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
    mock.method(Math, "random", () => 0.5);
    const window = new EventTarget();
    page = Object.assign(new EventTarget(), { visibilityState: "visible" });
    Object.assign(globalThis, {
      WebSocket: FakeSocket,
      document: page,
      addEventListener: window.addEventListener.bind(window),
      removeEventListener: window.removeEventListener.bind(window),
      dispatchEvent: window.dispatchEvent.bind(window),
    });
  });
  afterEach(() => {
    stream?.close();
    mock.timers.reset();
    mock.restoreAll();
    for (const name of ["WebSocket", "document", "addEventListener", "removeEventListener", "dispatchEvent"]) {
      delete (globalThis as any)[name];
    }
  });

  const begin = async (options: Partial<Options> = {}) => {
    stream = connect({ url: "https://hooks.example.com/", transport: "websocket", ...options });
    mock.timers.tick(0);
    await settled();
  };
  const fail = async () => {
    FakeSocket.last.onclose?.();
    await settled();
  };
  /** How long it takes until there is one more socket. */
  const waited = async () => {
    const before = FakeSocket.all.length;
    for (let milliseconds = 0; milliseconds <= 60_000; milliseconds += 50) {
      if (FakeSocket.all.length > before) return milliseconds;
      mock.timers.tick(50);
      await settled();
    }
    return assert.fail("it never came back");
  };

  it("doubles up to thirty seconds, and begins anew once it is ready", async () => {
    await begin();
    const waits: number[] = [];
    for (let failure = 0; failure < 9; failure++) {
      await fail();
      waits.push(await waited());
    }
    // Half of 500 ms, doubled, and at most half of 30 s: chance stands at one half.
    assert.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
    FakeSocket.last.ready();
    await fail();
    assert.equal(await waited(), 250);
  });

  it("comes back at once when the network does", async () => {
    await begin();
    for (let failure = 0; failure < 8; failure++) {
      await fail();
      await waited();
    }
    await fail();
    const before = FakeSocket.all.length;
    dispatchEvent(new globalThis.Event("online"));
    await settled();
    assert.equal(FakeSocket.all.length, before + 1);
    FakeSocket.last.ready();
    assert.equal(stream!.state, "open");
    // While it is connected there is no reason to.
    dispatchEvent(new globalThis.Event("online"));
    await settled();
    assert.equal(FakeSocket.all.length, before + 1);
  });

  it("comes back at once when the page is looked at", async () => {
    await begin();
    await fail();
    const before = FakeSocket.all.length;
    page.visibilityState = "hidden";
    page.dispatchEvent(new globalThis.Event("visibilitychange"));
    await settled();
    assert.equal(FakeSocket.all.length, before);
    page.visibilityState = "visible";
    page.dispatchEvent(new globalThis.Event("visibilitychange"));
    await settled();
    assert.equal(FakeSocket.all.length, before + 1);
  });

  it("does not come back once it is closed", async () => {
    await begin();
    await fail();
    stream!.close();
    dispatchEvent(new globalThis.Event("online"));
    mock.timers.tick(60_000);
    await settled();
    assert.equal(FakeSocket.all.length, 1);
  });

  it("gives up on a server that does not become ready", async () => {
    await begin();
    mock.timers.tick(15_000);
    assert.equal(stream!.state, "waiting");
  });

  it("takes whatever address it is given", async () => {
    for (const url of ["https://h", "https://h/", "wss://h/api/realtime/ws", "https://h/api/realtime", "https://h/api/realtime/sse/"]) {
      await begin({ url });
      assert.equal(FakeSocket.last.url, "wss://h/api/realtime/ws");
      stream!.close();
    }
    await begin({ url: "http://h:8400/below/" });
    assert.equal(FakeSocket.last.url, "ws://h:8400/below/api/realtime/ws");
  });

  it("hands in a fresh token before the old one ends", async () => {
    const token = (seconds: number) => `x.${btoa(JSON.stringify({ exp: 1_000 + seconds })).replace(/=/g, "")}.x`;
    const tokens = [token(900), token(1_800)];
    await begin({ getToken: () => tokens.shift() });
    FakeSocket.last.ready();
    mock.timers.tick(0);
    // A heartbeat now and then keeps the connection.
    for (let seconds = 0; seconds < 870; seconds += 10) {
      FakeSocket.last.onmessage!({ data: JSON.stringify({ t: "heartbeat", cursor: "cur_0" }) });
      mock.timers.tick(10_000);
    }
    await settled();
    assert.deepEqual(FakeSocket.last.sent.filter((frame) => frame.t == "auth"), [{ t: "auth", token: token(1_800) }]);
    assert.equal(FakeSocket.all.length, 1);
  });

  it("tries server-sent events where WebSockets never get through, and where there are none", async () => {
    const asked: string[] = [];
    mock.method(globalThis, "fetch", async (url: string) => {
      asked.push(url);
      return new Response(null, { status: 503 });
    });
    stream = connect({ url: "https://h", types: ["a", "b.*"] });
    mock.timers.tick(0);
    await settled();
    for (let failure = 0; failure < 3; failure++) {
      await fail();
      mock.timers.tick(30_000);
      await settled();
    }
    assert.ok(asked.includes("https://h/api/realtime/sse?cursor=now&types=a%2Cb.*"), asked.join());
    stream.close();

    delete (globalThis as any).WebSocket;
    asked.length = 0;
    stream = connect({ url: "https://h" });
    mock.timers.tick(0);
    await settled();
    assert.deepEqual(asked, ["https://h/api/realtime/sse?cursor=now"]);
  });
});
