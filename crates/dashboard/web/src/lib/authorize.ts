/** Asking a user for a connection: out to the provider's page, which sends the browser back to the connections. */

import { api, ask } from "./api.js";
import { isPortal, prefix } from "./portal.js";

/** Providers that ask their users on a page of their own. */
export const ASKING = ["github", "slack", "gmail", "youtube", "discord", "spotify"];

/** Providers that say which account is meant by an id. */
export const NAMED = ["unipile", "composio"];

/** What a registration watches at each provider that lets something be registered for an account, with an example. */
export const WATCHED: Record<string, [what: string, example: string]> = {
  github: ["Repository", "acme/storefront"],
  youtube: ["Channel", "UC…"],
  composio: ["Trigger", "GMAIL_NEW_GMAIL_MESSAGE"],
};

/** Providers that are asked for what is new in an account. */
export const POLLED = ["github", "slack", "gmail", "composio", "discord", "youtube", "spotify"];

/** Providers where something belongs to the account itself, and is registered without being asked for. */
export const OF_ACCOUNT = ["gmail", "youtube"];

/** Goes to the provider's page. In the portal that is another window: providers let nobody frame theirs. */
export async function authorize(provider: string, user_id: string): Promise<void> {
  const redirect = `${location.origin}${prefix}/connections`;
  // Opened before anything is waited for: a window that follows no click is blocked.
  const page = isPortal ? open("about:blank", "_blank") : undefined;
  if (page === null) throw new Error("The browser lets no window open here.");
  const { url } = await ask(api.GET("/api/oauth/{provider}/start", {
    params: { path: { provider }, query: { redirect, ...(user_id && { user_id }) } },
    headers: { Accept: "application/json" },
    // The answer's cookie has to come back with the user. In a frame of another site's the browser would not keep it, so the
    // window asks.
    ...(page && { fetch: (request: Request) => page.fetch(request) }),
  })).catch((error: unknown) => {
    page?.close();
    throw error;
  });
  if (!page) return location.assign(url);
  page.opener = null;
  page.location.assign(url);
}
