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

/** Goes to the provider's page. In the portal that is another window: providers let nobody frame theirs. */
export async function authorize(provider: string, user_id: string): Promise<void> {
  const redirect = `${location.origin}${prefix}/connections`;
  const { url } = await ask(api.GET("/api/oauth/{provider}/start", {
    params: { path: { provider }, query: { redirect, ...(user_id && { user_id }) } },
    headers: { Accept: "application/json" },
  }));
  if (isPortal) open(url, "_blank", "noopener");
  else location.assign(url);
}
