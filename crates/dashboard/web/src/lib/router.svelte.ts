/** Where the reader is. Everything that can be looked at has an address, filters too. */

import { equip, prefix } from "./portal.js";

/** The path of the address, without what all addresses of the portal begin with. */
const pathNow = () => location.pathname.slice(prefix.length) || "/";

class Here {
  path = $state(pathNow());
  search = $state(location.search);
  readonly query = $derived(new URLSearchParams(this.search));
  /** The words of the path: `/events/evt_1` is `["events", "evt_1"]`. */
  readonly words = $derived(this.path.split("/").filter(Boolean).map(decodeURIComponent));

  constructor() {
    addEventListener("popstate", () => this.#read());
  }

  /** Goes to an address. `replace` leaves no step to come back to, as for each letter of a search. */
  go(address: string, { replace = false } = {}): void {
    if (address == pathNow() + location.search) return;
    history[replace ? "replaceState" : "pushState"](null, "", prefix + address);
    this.#read();
  }

  get(name: string): string {
    return this.query.get(name) ?? "";
  }

  /** This page with other filters; an empty one goes. */
  set(changes: Record<string, string>): void {
    this.go(this.with(changes), { replace: true });
  }

  /** The address of this page with other filters. */
  with(changes: Record<string, string>, path = this.path): string {
    const query = new URLSearchParams(this.search);
    for (const [name, value] of Object.entries(changes)) value ? query.set(name, value) : query.delete(name);
    return path + (query.size ? `?${query}` : "");
  }

  #read(): void {
    this.path = pathNow();
    this.search = location.search;
  }
}

export const here = new Here();

/** Takes clicks on links within the app. Those with a modifier are the browser's, which opens them elsewhere. */
export function followLinks(event: MouseEvent): void {
  const link = (event.target as Element).closest?.("a");
  const isOurs = link && link.origin == location.origin && !link.target && !link.hasAttribute("download")
    && !/^\/(docs|openapi.json|health|metrics|api)(\/|$)/.test(link.pathname);
  if (!isOurs) return;
  const isElsewhere = event.type != "click" || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  if (isElsewhere) return equip(link);
  event.preventDefault();
  const path = prefix && link.pathname.startsWith(`${prefix}/`) ? link.pathname.slice(prefix.length) : link.pathname;
  if (link.hash && path == here.path) return;
  here.go(path + link.search);
}
