/** A wire that can be cut, can go silent, and can bring late what was sent long ago. */

import { createServer, connect, type AddressInfo, type Server, type Socket } from "node:net";

/** One connection through the proxy. */
export class Wire {
  /** Bytes from the server that may still pass before the wire is cut. */
  cutAfter = Infinity;
  /** What the server has sent and the client has not got. */
  #held: Buffer[] | undefined;
  #cutsAreHeld = false;

  constructor(readonly client: Socket, readonly server: Socket) {
    client.on("error", () => {}).on("close", () => server.destroy());
    server.on("error", () => {}).on("close", () => this.#held || client.destroy());
    client.on("data", (bytes) => this.#cutsAreHeld || server.write(bytes));
    server.on("data", (bytes) => this.#pass(bytes));
  }

  cut(): void {
    this.client.destroy();
  }

  /** Nothing passes any more, and nobody is told. */
  stall(): void {
    this.#cutsAreHeld = true;
    this.hold();
  }

  /** Keeps what the server sends from now on. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    held.forEach((bytes) => this.#pass(bytes));
  }

  #pass(bytes: Buffer): void {
    if (this.#held) return void this.#held.push(bytes);
    const passing = bytes.subarray(0, this.cutAfter);
    this.cutAfter -= passing.length;
    this.client.write(passing);
    if (this.cutAfter <= 0) this.client.destroy();
  }
}

export class Proxy {
  readonly wires: Wire[] = [];
  /** What is done to each new wire. */
  onWire: (wire: Wire) => void = () => {};
  readonly #server: Server;

  private constructor(target: number) {
    this.#server = createServer((client) => {
      const wire = new Wire(client, connect(target, "127.0.0.1"));
      this.wires.push(wire);
      this.onWire(wire);
    });
  }

  static async start(target: number): Promise<Proxy> {
    const proxy = new Proxy(target);
    await new Promise<void>((done) => proxy.#server.listen(0, "127.0.0.1", done));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    this.wires.forEach((wire) => wire.cut());
  }
}
