/**
 * Who is signed in.
 *
 * A key is handed to the server once, for a cookie that no script can read. A server that has no sessions is sent the key
 * with each request; it is then forgotten with the page.
 */

import { api, bearer } from "./api.js";

export type Access = "unknown" | "nobody" | "user" | "admin";

class Session {
  access = $state<Access>("unknown");
  readonly isIn = $derived(this.access == "user" || this.access == "admin");

  constructor() {
    bearer.onRefused = () => (this.access = "nobody");
  }

  /** Asks the server what the cookie, or the key, opens. */
  async recognise(): Promise<void> {
    const { response } = await api.GET("/api/keys", { params: { query: { limit: 1 } } });
    this.access = response.ok ? "admin" : response.status == 403 ? "user" : "nobody";
  }

  /** Signs in with a key or a token, or says why not. */
  async enter(key: string): Promise<string | undefined> {
    const body = JSON.stringify({ key });
    const answer = await fetch("/api/session", { method: "POST", body, headers: { "Content-Type": "application/json" } });
    bearer.key = answer.status == 404 || answer.status == 405 ? key : undefined;
    if (answer.ok || bearer.key) await this.recognise();
    if (this.isIn) return;
    bearer.key = undefined;
    if (answer.status == 429) return "Too many tries. Wait a little.";
    return "That key is not known here.";
  }

  async leave(): Promise<void> {
    bearer.key = undefined;
    await fetch("/api/session", { method: "DELETE" }).catch(() => {});
    this.access = "nobody";
  }
}

export const session = new Session();
