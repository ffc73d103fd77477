/** Who is signed in. A key is handed to the server once, for a cookie that no script can read, and is then forgotten. */

import { api, onRefused } from "./api.js";
import { live } from "./live.svelte.js";
import { isPortal, openPortal, portalToken, tellExpired } from "./portal.js";
import { here } from "./router.svelte.js";

export type Access = "unknown" | "nobody" | "user" | "admin";

class Session {
  access = $state<Access>("unknown");
  readonly isIn = $derived(this.access == "user" || this.access == "admin");
  /** What was wrong with the link that led here. */
  problem = $state<string>();

  constructor() {
    onRefused(() => this.#end());
    if (isPortal) openPortal(() => void this.recognise());
  }

  /** Follows the link that led here, if it is one that signs in, and asks the server who this is. */
  async begin(): Promise<void> {
    if (!isPortal && here.path == "/sign-in") await this.#followLink();
    await this.recognise();
  }

  /** The code of a link is behind the anchor, which is sent nowhere; it is taken out of the address before it is used. */
  async #followLink(): Promise<void> {
    const code = location.hash.slice(1);
    const isSpent = here.get("code") != "";
    here.go("/", { replace: true });
    const isGood = code && (await api.POST("/api/session", { body: { code } })).response.ok;
    if (!isGood && (code || isSpent)) this.problem = "This link has been used already, or has expired.";
  }

  /** Asks the server what the cookie, or the key, opens. */
  async recognise(): Promise<void> {
    // Without a token the portal opens nothing: a cookie that is there may be somebody else's.
    if (isPortal && !portalToken()) return this.#end();
    const { response } = await api.GET("/api/keys", { params: { query: { limit: 1 } } });
    this.access = response.ok ? "admin" : response.status == 403 ? "user" : "nobody";
    if (this.isIn) live.begin();
  }

  /** Signs in with a key or a token, or says why not. */
  async enter(key: string): Promise<string | undefined> {
    const { response, error } = await api.POST("/api/session", { body: { key } });
    if (response.ok) await this.recognise();
    if (this.isIn) return;
    return response.status == 401 ? "That key is not known here." : ((error as { detail?: string })?.detail ?? `The server answered ${response.status}.`);
  }

  async leave(): Promise<void> {
    await api.DELETE("/api/session").catch(() => {});
    this.#end();
  }

  #end(): void {
    this.access = "nobody";
    live.end();
    if (isPortal) tellExpired();
  }
}

export const session = new Session();
