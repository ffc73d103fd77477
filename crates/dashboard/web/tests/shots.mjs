/** `node tests/shots.mjs DIRECTORY`: pictures of every page, light and dark, wide and narrow. */

import { mkdir } from "node:fs/promises";
import { fill } from "./sample.mjs";
import { Program, launch, open, visit } from "./world.mjs";

const directory = process.argv[2] ?? "shots";
const only = process.argv[3];
await mkdir(directory, { recursive: true });
const [program, browser] = [await Program.start(), await launch()];
const sample = await fill(program);
const first = async (path) => (await program.ask("GET", path)).data[0].id;
const [failed] = await program.deliveries("status=failed");
const places = {
  overview: "/",
  events: "/events",
  event: `/events/${await first("/api/events?type=github.push")}`,
  deliveries: "/deliveries",
  delivery: `/deliveries/${failed.id}`,
  subscriptions: "/subscriptions",
  subscription: `/subscriptions/${sample.subscriptions[3].id}`,
  "new-subscription": "/subscriptions?new=1",
  sources: "/sources",
  source: `/sources/${await first("/api/sources")}`,
  emails: "/emails",
  inbox: "/inbox",
  conversation: `/inbox/${await first("/api/conversations?user_id=alice")}`,
  connections: "/connections",
  connection: `/connections/${await first("/api/connections")}`,
  alerts: "/alerts",
  jobs: "/jobs",
  rejections: `/rejections/${await first("/api/rejections")}`,
  queues: "/queues",
  "event-types": "/event-types/github.push",
  keys: "/keys",
};
for (const [scheme, width, height] of [["light", 1280, 800], ["dark", 1280, 800], ["light", 360, 740], ["dark", 360, 740]]) {
  const page = await open(browser, program, { scheme, width, height, key: null });
  await page.goto("/");
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  if (!only) await page.screenshot({ path: `${directory}/sign-in-${scheme}-${width}.png` });
  await page.getByLabel("Admin or user key").fill("test-admin-key");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  for (const [name, path] of Object.entries(places)) {
    if (only && !only.split(",").includes(name)) continue;
    await visit(page, path);
    await page.waitForTimeout(700);
    await page.screenshot({ path: `${directory}/${name}-${scheme}-${width}.png` });
  }
  if (page.violations.length) console.error(scheme, width, page.violations);
  await page.context().close();
}
sample.stop();
await browser.close();
await program.stop();
