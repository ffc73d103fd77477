/**
 * The portal: the same pages for one user of the host application, in a frame of its own pages.
 *
 * The host opens `/portal#token=…`, with `accent` (a CSS colour) and `scheme` (`light` or `dark`) if it wants. The fragment
 * is never sent anywhere, and is taken out of the address at once; the token lives as long as the page. When it has ended,
 * the host is told with the message `waystation.expired`, and hands in another with `{type: "waystation.token", token}`.
 */

const PREFIX = "/portal";

export const isPortal = location.pathname == PREFIX || location.pathname.startsWith(`${PREFIX}/`);

/** What comes before each path in the address. */
export const prefix = isPortal ? PREFIX : "";

let token: string | undefined;

/** The user's token, in the portal. */
export const portalToken = (): string | undefined => token;

/** What the host said beside the token: how it looks. */
let look = new URLSearchParams();

/** Reads what the host says, and calls `onToken` whenever it hands in another token. */
export function openPortal(onToken: () => void): void {
  const said = new URLSearchParams(location.hash.slice(1));
  token = said.get("token") ?? undefined;
  said.delete("token");
  look = said;
  history.replaceState(null, "", location.pathname + location.search);
  const { style } = document.documentElement;
  const accent = said.get("accent");
  if (accent && CSS.supports("color", accent)) style.setProperty("--accent", accent);
  const scheme = said.get("scheme");
  if (scheme == "light" || scheme == "dark") style.setProperty("color-scheme", scheme);
  addEventListener("message", ({ source, data }) => {
    // Who may frame this page is in its policy; nobody but the frame around it is listened to.
    if (source != parent || source == window || data?.type != "waystation.token" || typeof data.token != "string") return;
    token = data.token;
    onToken();
  });
}

/** Gives a link what it needs to open in a window of its own: the portal's address, and the token as the host hands it in. */
export function equip(link: HTMLAnchorElement): void {
  if (!isPortal || !token) return;
  const path = link.pathname.startsWith(PREFIX) ? link.pathname : PREFIX + link.pathname;
  link.href = `${path}${link.search}#${new URLSearchParams({ token, ...Object.fromEntries(look) })}`;
}

/** Tells the host that its token no longer opens anything. */
export function tellExpired(): void {
  if (parent != window) parent.postMessage({ type: "waystation.expired" }, "*");
}
