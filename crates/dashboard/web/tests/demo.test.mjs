/** What somebody sees who has just typed `waystation demo`. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Demo, launch, open } from "./world.mjs";

describe("the demo", () => {
  let demo;
  let browser;

  before(async () => {
    [demo, browser] = await Promise.all([Demo.start(), launch()]);
  });
  after(async () => {
    await browser?.close();
    await demo?.stop();
  });

  it("is opened by its link, once, and is alive", async () => {
    const page = await open(browser, demo, { key: null });
    await page.goto(demo.link);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    assert.ok(!page.url().includes("#"), page.url());
    await page.getByRole("link", { name: "Events", exact: true }).click();
    await page.getByRole("button", { name: /new/ }).waitFor();
    assert.deepEqual(page.violations, []);

    const stranger = await open(browser, demo, { key: null });
    await stranger.goto(demo.link);
    await stranger.getByText("This link has been used already, or has expired.").waitFor();
    await stranger.goto(demo.link.replace("#", "?code="));
    await stranger.getByText("This link has been used already, or has expired.").waitFor();
    assert.deepEqual(stranger.violations, []);
  });
});
