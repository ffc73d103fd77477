/** A proxy that does to connections what networks do: it cuts them, goes silent, and is late. What it does comes from a seed. */

import { connect, createServer } from "node:net";

/** Connections that something is done to; those after them pass unharmed, so that every run comes to an end. */
const UNRULY = 24;
/** The latest that bytes may be. A later connection may well overtake an earlier one by that. */
const LATE_MS_MAX = 120;

export class Proxy {
  /** `target` says at which port the server is, whenever it is asked. */
  static async start(target, seed) {
    const proxy = new Proxy();
    proxy.target = target;
    proxy.count = 0;
    proxy.done = { cut: 0, stall: 0, late: 0 };
    proxy.sockets = new Set();
    proxy.next = generator(seed);
    proxy.server = createServer((client) => proxy.#join(client));
    await new Promise((done) => proxy.server.listen(0, "127.0.0.1", done));
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
    return proxy;
  }

  stop() {
    this.server.close();
    this.sockets.forEach((socket) => socket.destroy());
  }

  #join(client) {
    const server = connect(this.target(), "127.0.0.1");
    for (const [one, other] of [[client, server], [server, client]]) {
      this.sockets.add(one);
      one.on("error", () => {}).on("close", () => (other.destroy(), this.sockets.delete(one)));
    }
    client.on("data", (bytes) => server.write(bytes));
    const kinds = Object.keys(this.done);
    const kind = this.count++ < UNRULY ? kinds[Math.floor(this.next() * kinds.length)] : "none";
    let left = kind == "cut" || kind == "stall" ? 1_000 + Math.floor(this.next() * 12_000) : Infinity;
    let until = Promise.resolve();
    server.on("data", (bytes) => {
      const passing = bytes.subarray(0, Math.max(0, left));
      left -= bytes.length;
      if (kind == "late") {
        const late = this.next() * LATE_MS_MAX;
        this.done.late++;
        // In the order in which they were sent: that much TCP promises.
        until = until.then(() => new Promise((wake) => setTimeout(wake, late))).then(() => client.write(passing));
        return;
      }
      client.write(passing);
      if (left > 0) return;
      this.done[kind]++;
      // Silence tells nobody that it is the end.
      if (kind == "cut") client.destroy();
      else server.removeAllListeners("close").pause();
    });
  }
}

/** Numbers from 0 to 1 that follow from the seed (mulberry32). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
