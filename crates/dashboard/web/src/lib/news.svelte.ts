/** Short words on what has just been done, for eyes and for screen readers. */

/** How long they stay. */
const SHOWN_MS = 5_000;

class News {
  items = $state<{ id: number; text: string; isBad: boolean }[]>([]);
  #last = 0;

  tell(text: string, isBad = false): void {
    const id = ++this.#last;
    this.items.push({ id, text, isBad });
    setTimeout(() => (this.items = this.items.filter((item) => item.id != id)), SHOWN_MS);
  }
}

export const news = new News();
