/** What people call the things that others name by their ids. */

import { api, ask, type Conversation, type Message, type Source, type Subscription } from "./api.js";
import { short } from "./format.js";

/** An id that is not known is asked for again, at most so often. */
const ASKED_EVERY_MS = 10_000;

/** The names of one kind of thing. They are read when the first of them is asked for. */
class Names<T extends { id: string }> {
  all = $state.raw<T[]>([]);
  readonly #byId = $derived(new Map(this.all.map((one) => [one.id, this.nameOf(one)])));
  #askedAt = -Infinity;

  constructor(
    readonly nameOf: (one: T) => string,
    readonly read: () => Promise<{ data: T[] }>,
  ) {}

  /** What `id` is called: a short form of it, where that is not known. */
  of(id: string): string {
    const found = this.#byId.get(id);
    if (found == null) this.look();
    return found ?? short(id);
  }

  look(): void {
    if (performance.now() - this.#askedAt < ASKED_EVERY_MS) return;
    this.#askedAt = performance.now();
    this.read().then(({ data }) => (this.all = data)).catch(() => {});
  }
}

export const subscriptionName = (one: Pick<Subscription, "description" | "url" | "queue">) =>
  one.description || (one.url ? one.url.replace(/^https?:\/\//, "") : `queue ${one.queue}`);

export const subscriptions = new Names<Subscription>(subscriptionName, () => ask(api.GET("/api/webhooks", { params: { query: { limit: 200 } } })));
/** `WhatsApp`, and how others are written that shout. */
const CHANNELS: Record<string, string> = { WHATSAPP: "WhatsApp", LINKEDIN: "LinkedIn", API: "API", SMS: "SMS" };
export const channelName = ({ channel }: Pick<Conversation, "channel">) =>
  CHANNELS[channel] ?? channel.charAt(0) + channel.slice(1).toLowerCase();

export const conversationName = (one: Pick<Conversation, "source" | "usecase" | "channel">) =>
  one.source?.chat_id ?? one.usecase ?? `${channelName(one)} conversation`;

/** Who said something: by name, where the provider tells it. */
export const speaker = ({ metadata, created_by }: Pick<Message, "metadata" | "created_by">) =>
  typeof metadata?.["sender_name"] == "string" ? metadata["sender_name"] : created_by;

export const sources = new Names<Source>(({ name }) => name, () => ask(api.GET("/api/sources", { params: { query: { limit: 200 } } })));

/** What a source is called: the built-in ones have names that people know. */
export const sourceName = (source: string) => (source.startsWith("src_") ? sources.of(source) : source);
