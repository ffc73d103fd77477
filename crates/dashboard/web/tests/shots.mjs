/** `node tests/shots.mjs DIRECTORY [PAGES]`: pictures of every page of the demo, light and dark, wide and narrow. */

import { mkdir } from "node:fs/promises";
import { Demo, launch, open, visit } from "./world.mjs";

/** What the demo is given to fill its pages. */
const TRAFFIC_MS = Number(process.env.WAYSTATION_SHOTS_AFTER_MS ?? 20_000);

const directory = process.argv[2] ?? "shots";
const only = process.argv[3]?.split(",");
await mkdir(directory, { recursive: true });
const [demo, browser] = [await Demo.start(), await launch()];
await new Promise((wake) => setTimeout(wake, TRAFFIC_MS));

const all = async (path) => (await demo.ask("GET", path)).data;
const first = async (path, wanted = () => true) => {
  const list = await all(path);
  return (list.find(wanted) ?? list[0])?.id ?? "none";
};
const click = (role, name) => (page) => page.getByRole(role, { name }).first().click();
const subscription = await first("/api/webhooks?limit=200", (one) => one.transform ?? one.filter);
const push = await first("/api/webhooks?limit=200", (one) => one.url && one.is_active);
const polled = await first("/api/connections?limit=200", ({ provider }) => provider == "spotify");
const hooked = await first("/api/connections?limit=200", ({ provider }) => provider == "github");

/** Retries what has failed: from then on its deliveries are others. */
const bulk = async () => (await demo.ask("POST", "/api/deliveries/bulk", { action: "retry", filter: { status: "failed" } })).job_id;

/** Where to look, and what to do there first. */
const places = {
  overview: ["/"],
  "overview-end": ["/", (page) => page.locator(".scrolls").evaluate((box) => (box.scrollTop = box.scrollHeight))],
  events: ["/events"],
  event: [`/events/${await first("/api/events?type=github.push")}`],
  "events-none": ["/events?type=nothing.like.it"],
  deliveries: ["/deliveries"],
  delivery: [`/deliveries/${await first("/api/deliveries?status=failed")}`],
  "delivery-good": [`/deliveries/${await first("/api/deliveries?status=success")}`],
  "deliveries-many": ["/deliveries?status=failed", async (page) => {
    await click("button", "Retry all…")(page);
    await click("button", "Count")(page);
  }],
  inbox: ["/inbox"],
  conversation: [`/inbox/${await first("/api/conversations?limit=50")}`],
  emails: ["/emails"],
  email: [`/emails/${await first("/api/emails")}`],
  alerts: ["/alerts"],
  jobs: [`/jobs/${await bulk()}`],
  rejections: ["/rejections"],
  rejection: [`/rejections/${await first("/api/rejections")}`],
  subscriptions: ["/subscriptions"],
  subscription: [`/subscriptions/${subscription}`],
  "subscription-test": [`/subscriptions/${push}`, click("button", "Send a test")],
  "subscription-edit": [`/subscriptions/${subscription}`, click("button", "Edit")],
  "subscription-replay": [`/subscriptions/${push}`, click("button", "Replay…")],
  "subscription-new": ["/subscriptions?new=1"],
  queues: ["/queues", (page) => page.getByText("Leased now").click({ timeout: 3_000 })],
  sources: ["/sources"],
  source: [`/sources/${await first("/api/sources")}`],
  "source-guide": ["/sources?guide=slack"],
  "source-new": ["/sources?new=1"],
  connections: ["/connections"],
  connection: [`/connections/${hooked}`],
  "connection-polled": [`/connections/${polled}`],
  "connection-settings": [`/connections/${hooked}`, click("button", "Settings…")],
  "connection-register": [`/connections/${hooked}`, click("button", "Register…")],
  "connection-new": ["/connections?new=1"],
  "event-types": ["/event-types"],
  "event-type": ["/event-types/github.push"],
  "event-type-new": ["/event-types?new=1"],
  keys: ["/keys"],
  "key-new": ["/keys?new=1"],
  keyboard: ["/events", (page) => page.keyboard.press("?")],
  nowhere: ["/nowhere"],
};
const portal = {
  "portal-deliveries": ["/portal"],
  "portal-events": ["/portal/events"],
  "portal-inbox": ["/portal/inbox"],
  "portal-conversation": [`/portal/inbox/${await first("/api/conversations?user_id=alice")}`],
  "portal-subscriptions": ["/portal/subscriptions"],
  "portal-connections": ["/portal/connections"],
};

let state;
for (const [scheme, width, height] of [["light", 1280, 800], ["dark", 1280, 800], ["light", 360, 740], ["dark", 360, 740]]) {
  const shoot = async (page, some) => {
    for (const [name, [path, act]] of Object.entries(some)) {
      if (only && !only.includes(name)) continue;
      await visit(page, path);
      await page.waitForTimeout(900);
      await act?.(page).catch((error) => console.error(`${name}: ${String(error).split("\n")[0]}`));
      if (act) await page.waitForTimeout(700);
      await page.screenshot({ path: `${directory}/${name}-${scheme}-${width}.png` });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) console.error(`${name} is ${wide} px too wide at ${width}`);
      if (await page.locator("dialog[open]").count()) await page.keyboard.press("Escape");
    }
    if (page.violations.length) console.error(scheme, width, page.violations);
  };
  const page = await open(browser, demo, { scheme, width, height, key: null, state });
  if (!state) {
    await page.goto("/");
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    if (!only) await page.screenshot({ path: `${directory}/sign-in-${scheme}-${width}.png` });
    await page.goto(demo.link);
  } else {
    await page.goto("/");
  }
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  state = await page.context().storageState();
  await shoot(page, places);
  if (width == 360 && (!only || only.includes("menu"))) {
    await page.getByRole("button", { name: "Menu" }).click();
    await page.screenshot({ path: `${directory}/menu-${scheme}-${width}.png` });
  }
  await page.context().close();
  const { token } = await demo.ask("POST", "/api/tokens", { user_id: "alice" });
  const users = await open(browser, demo, { scheme, width, height, key: null });
  await users.goto(`/portal#token=${token}`);
  await users.getByRole("heading", { level: 1 }).waitFor();
  await shoot(users, portal);
  await users.context().close();
}
await browser.close();
await demo.stop();
