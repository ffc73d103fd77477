/** Keys that work everywhere. What is typed into a field is the field's. */

import { news } from "./news.svelte.js";
import { here } from "./router.svelte.js";
import { pages } from "../routes.js";

export const KEYS: [string, string][] = [
  ["/", "search"],
  ["j  k", "next, previous row"],
  ["Enter", "open"],
  ["Esc", "close"],
  ["r", "retry the open delivery"],
  ["c", "copy the address"],
  ["n", "make a new one"],
  ["l", "let in what is new"],
  ["f", "follow what is new"],
  ["?", "these shortcuts"],
];

let goesTo = false;

export function onKey(event: KeyboardEvent, showKeys: () => void): void {
  const target = event.target as HTMLElement;
  const isTyping = target.matches("input, textarea, select, [contenteditable]");
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.key == "Escape") return isTyping ? target.blur() : click("close");
  if (isTyping) return;
  const wasGoing = goesTo;
  goesTo = false;
  if (wasGoing) {
    const page = pages.find((page) => page.key == event.key);
    if (page) here.go(page.path);
  } else if (event.key == "/") {
    document.querySelector<HTMLElement>("[data-key=search]")?.focus();
  } else if (event.key == "j" || event.key == "k") {
    document.dispatchEvent(new CustomEvent("step", { detail: event.key == "j" ? 1 : -1 }));
  } else if (event.key == "g") {
    goesTo = true;
  } else if (event.key == "?") {
    showKeys();
  } else if (event.key == "r" || event.key == "n" || event.key == "l" || event.key == "f") {
    click(event.key);
  } else if (event.key == "c") {
    navigator.clipboard?.writeText(location.href).then(() => news.tell("The address is copied."), () => {});
  } else {
    return;
  }
  event.preventDefault();
}

function click(key: string): void {
  const all = [...document.querySelectorAll<HTMLElement>(`[data-key="${key}"]`)];
  all.find((element) => element.checkVisibility() && !(element as HTMLButtonElement).disabled)?.click();
}
