/** What time it is; what comes in, as it does; and looking again now and then at what nobody tells of. */

import { connect, type Event as Told, type Stream } from "../../../../../clients/typescript/src/index.js";
import type { Event } from "./api.js";
import { portalToken } from "./portal.js";

class Clock {
  now = $state(Date.now());

  constructor() {
    setInterval(() => (this.now = Date.now()), 1_000);
  }
}

export const clock = new Clock();

/** How often what has come in is handed on: a busy stream does not have the page redrawn for each event. */
const HANDED_ON_EVERY_MS = 100;

/** The one stream of the page. It is there while somebody is signed in. */
class Live {
  /** Whether all that comes in is told of. While it is not, lists are looked at again. */
  isOpen = $state(false);
  #stream: Stream | undefined;
  #gathered: Event[] = [];
  readonly #listeners = new Set<(events: Event[]) => void>();

  begin(): void {
    if (this.#stream) return;
    // Without a token the cookie says who asks.
    this.#stream = connect({ url: location.origin, getToken: portalToken });
    this.#stream.on("state", (state) => (this.isOpen = state == "open"));
    this.#stream.on("event", (event) => this.#gather(event as Told as Event));
  }

  end(): void {
    this.#stream?.close();
    this.#stream = undefined;
  }

  /** Calls `listener` with the newest events, the newest first; the answer ends that. */
  listen(listener: (events: Event[]) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #gather(event: Event): void {
    if (!this.#gathered.length) setTimeout(() => this.#handOn(), HANDED_ON_EVERY_MS);
    this.#gathered.unshift(event);
  }

  #handOn(): void {
    const gathered = this.#gathered;
    this.#gathered = [];
    for (const listener of this.#listeners) listener(gathered);
  }
}

export const live = new Live();

/** How often lists are looked at again. */
const LOOK_EVERY_MS = 2_000;

/** Calls `look` again and again while the page is visible, never twice at once. To be used in an effect. */
export function lookAgain(look: () => Promise<unknown>, every = LOOK_EVERY_MS): () => void {
  let timer: ReturnType<typeof setTimeout>;
  let isEnded = false;
  const next = () => {
    if (!isEnded) timer = setTimeout(go, every);
  };
  const go = () => {
    if (document.hidden) return next();
    look().catch(() => {}).finally(next);
  };
  next();
  return () => {
    isEnded = true;
    clearTimeout(timer);
  };
}
