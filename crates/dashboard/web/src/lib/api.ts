/** The API, with the types of its OpenAPI document. */

import createClient from "openapi-fetch";
import { portalToken } from "./portal.js";
import type { components, paths } from "./schema.js";

type Schemas = components["schemas"];
export type Event = Schemas["ShownEvent"];
export type EventWithDeliveries = Schemas["EventWithDeliveries"];
export type Delivery = Schemas["ShownDelivery"];
export type DeliveryWithAttempts = Schemas["DeliveryWithAttempts"];
export type Attempt = Schemas["ShownAttempt"];
export type Subscription = Schemas["ShownSubscription"];
export type Conversation = Schemas["ShownConversation"];
export type Message = Schemas["ShownMessage"];
export type Email = Schemas["ShownEmail"];
export type Registration = Schemas["ShownRegistration"];
export type Connection = Schemas["ShownConnection"];
export type Source = Schemas["ShownSource"];
export type Sender = Schemas["ShownSender"];
export type Rejection = Schemas["ShownRejection"];
export type EventType = Schemas["ShownType"];
export type Key = Schemas["ShownKey"];
export type Hour = Schemas["ShownHour"];
export type Job = Schemas["ShownJob"];

/** A piece of a list, the newest first. */
export interface Page<T> {
  data: T[];
  next_cursor?: string | null;
}

/** What the API had against it. `fields` says what is wrong with which. */
export class Failure extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly fields: Record<string, string> = {},
  ) {
    super(detail);
  }
}

export const api = createClient<paths>({ credentials: "same-origin" });

api.use({
  onRequest({ request }) {
    const token = portalToken();
    if (token) request.headers.set("Authorization", `Bearer ${token}`);
    return request;
  },
});

/** Has `told` called when the server no longer knows who asks. */
export function onRefused(told: () => void): void {
  api.use({
    onResponse({ response }) {
      if (response.status == 401) told();
    },
  });
}

/** The data of an answer, or a {@link Failure}. */
export async function ask<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let answer;
  try {
    answer = await asked;
  } catch {
    throw new Failure(0, "unreachable", "The server cannot be reached.");
  }
  if (answer.response.ok) return answer.data as T;
  throw failure(answer.response.status, answer.error);
}

function failure(status: number, problem: unknown): Failure {
  const { code, detail, title, errors } = (problem && typeof problem == "object" ? problem : {}) as Record<string, any>;
  const fields = Object.fromEntries((errors ?? []).map((one: any) => [one.field, one.message]));
  return new Failure(status, code ?? "unknown", detail ?? title ?? `The server answered ${status}.`, fields);
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
