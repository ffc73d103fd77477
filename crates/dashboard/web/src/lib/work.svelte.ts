/** What the reader has had the API do: whether it is under way, and what went wrong. */

import { Failure, messageOf } from "./api.js";
import { news } from "./news.svelte.js";

export class Work {
  isBusy = $state(false);
  /** What the API had against it, and against which fields. */
  problem = $state("");
  fields = $state<Record<string, string>>({});

  /** Does what a form asks for. What goes wrong is kept, and shown there. */
  async submit(task: () => Promise<unknown>): Promise<void> {
    this.isBusy = true;
    this.forget();
    try {
      await task();
    } catch (error) {
      this.problem = messageOf(error);
      this.fields = error instanceof Failure ? error.fields : {};
    }
    this.isBusy = false;
  }

  /** Does what a button asks for. What goes wrong is told in passing. */
  async act(task: () => Promise<unknown>): Promise<void> {
    this.isBusy = true;
    try {
      await task();
    } catch (error) {
      news.tell(messageOf(error), true);
    }
    this.isBusy = false;
  }

  /** Forgets what went wrong. */
  forget(): void {
    this.problem = "";
    this.fields = {};
  }

  /** What is wrong with a field or with a part of it, such as `event_types[1]` or `filter.data.x`. */
  wrong(name: string): string {
    const isPart = (field: string) => field == name || field.startsWith(`${name}.`) || field.startsWith(`${name}[`);
    return Object.entries(this.fields).filter(([field]) => isPart(field)).map(([, message]) => message).join("; ");
  }
}
