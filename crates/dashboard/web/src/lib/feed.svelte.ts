/**
 * A list that is read page by page and goes on growing at its top.
 *
 * What is new waits in `fresh` until it is let in: nothing moves under the reader's eyes. What is shown already is changed
 * in place.
 */

import { messageOf, type Page } from "./api.js";

/** What may wait. Nobody reads more one by one; letting it in begins the list anew. */
const FRESH_MAX = 1_000;

export class Feed<T extends { id: string }> {
  items = $state.raw<T[]>([]);
  fresh = $state.raw<T[]>([]);
  /** Whether more is new than was read: letting it in begins the list anew. */
  hasGap = $state(false);
  isLoading = $state(false);
  isBegun = $state(false);
  error = $state("");
  #next: string | null | undefined;
  #turn = 0;
  /** The ids of the items. */
  #known = new Set<string>();
  readonly #load: (cursor: string | undefined) => Promise<Page<T>>;

  constructor(load: (cursor: string | undefined) => Promise<Page<T>>) {
    this.#load = load;
    void this.begin();
  }

  get hasMore(): boolean {
    return Boolean(this.#next);
  }

  async begin(): Promise<void> {
    await this.#ask(undefined, (page) => {
      this.items = page.data;
      this.#known = new Set(page.data.map(({ id }) => id));
      this.fresh = [];
      this.hasGap = false;
      this.isBegun = true;
    });
  }

  async more(): Promise<void> {
    if (this.isLoading || !this.#next) return;
    await this.#ask(this.#next, (page) => {
      this.items = [...this.items, ...page.data];
      page.data.forEach(({ id }) => this.#known.add(id));
    });
  }

  /** Looks at the newest once more. Says nothing when that fails: the next time is soon. */
  async refresh(): Promise<void> {
    if (this.isLoading || !this.isBegun) return;
    const turn = this.#turn;
    const page = await this.#load(undefined).catch(() => undefined);
    if (!page || turn != this.#turn) return;
    this.error = "";
    this.note(page.data, Boolean(page.next_cursor));
  }

  /** Takes notice of what is the newest now. `isCut` says that it may not reach back to what is known. */
  note(newest: T[], isCut = false): void {
    const seen = new Map(newest.filter(({ id }) => this.#known.has(id)).map((item) => [item.id, item]));
    if (seen.size && this.items.some((item) => seen.has(item.id) && isOther(item, seen.get(item.id)!))) {
      this.items = this.items.map((item) => seen.get(item.id) ?? item);
    }
    const unseen = newest.filter(({ id }) => !this.#known.has(id));
    const waiting = new Map(this.fresh.map((item) => [item.id, item]));
    const added = unseen.filter(({ id }) => !waiting.has(id));
    // Ids are in the order of time.
    if (added.length) this.fresh = [...added, ...this.fresh].sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, FRESH_MAX);
    if (isCut && newest.length && added.length == newest.length && this.items.length) this.hasGap = true;
    if (this.fresh.length == FRESH_MAX) this.hasGap = true;
    // With nothing there, nothing can jump.
    if (!this.items.length && this.fresh.length) this.admit();
  }

  /** Lets in what is new: all of it, or as many as `some`, the oldest first. With more than `most` items the list begins anew. */
  admit(some = Infinity, most = Infinity): void {
    if (this.hasGap || this.items.length > most) return void this.begin();
    const rest = Math.max(0, this.fresh.length - some);
    const admitted = this.fresh.slice(rest);
    this.items = [...admitted, ...this.items];
    admitted.forEach(({ id }) => this.#known.add(id));
    this.fresh = this.fresh.slice(0, rest);
  }

  /** Puts an item in the place of what it was. */
  replace(item: T): void {
    this.items = this.items.map((old) => (old.id == item.id ? item : old));
  }

  remove(id: string): void {
    this.items = this.items.filter((item) => item.id != id);
    this.#known.delete(id);
  }

  /** Reads a page, and takes it before anybody can ask for the next. An answer that has been overtaken is dropped. */
  async #ask(cursor: string | undefined, take: (page: Page<T>) => void): Promise<void> {
    const turn = ++this.#turn;
    this.isLoading = true;
    try {
      const page = await this.#load(cursor);
      if (turn != this.#turn) return;
      this.error = "";
      this.#next = page.next_cursor;
      take(page);
    } catch (error) {
      if (turn == this.#turn) this.error = messageOf(error);
    } finally {
      if (turn == this.#turn) this.isLoading = false;
    }
  }
}

function isOther(before: object, now: object): boolean {
  return JSON.stringify(before) != JSON.stringify(now);
}
