/** What somebody sees who has just typed `waystation demo`. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { Demo, launch, open, visit } from "./world.mjs";

describe("the demo", () => {
  let demo;
  let browser;
  let page;

  before(async () => {
    [demo, browser] = await Promise.all([Demo.start(), launch()]);
  });
  after(async () => {
    await browser?.close();
    await demo?.stop();
  });

  it("is opened by its link, once, and is alive", async () => {
    page = await open(browser, demo, { key: null });
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
  it("connects an account by way of its provider's page, and removes it again", async () => {
    await page.getByRole("link", { name: "Connections", exact: true }).click();
    await page.getByRole("row").filter({ hasText: "spotify" }).getByText("needs reauth").waitFor();
    await page.getByRole("link", { name: "Connect an account" }).click();
    const dialog = page.getByRole("dialog", { name: "Connect an account" });
    await dialog.getByLabel("Provider").selectOption("discord");
    await dialog.getByLabel("User").fill("erin");
    await dialog.getByRole("button", { name: "Go to the provider" }).click();
    await page.waitForURL("**/connections/con_*");
    const pane = page.getByRole("complementary", { name: "Connection" });
    await pane.getByText("erin", { exact: true }).waitFor();
    await pane.getByText("active", { exact: true }).first().waitFor();
    const { pathname } = new URL(page.url());
    // Granted once more it is the same connection.
    await pane.getByRole("button", { name: "Authorise again" }).click();
    await page.waitForURL(`**${pathname}`);
    await pane.getByRole("button", { name: "Remove" }).click();
    await page.getByRole("dialog", { name: "Remove the connection?" }).getByRole("button", { name: "Remove it" }).click();
    await page.waitForURL("**/connections");
    assert.equal(await page.getByRole("row").filter({ hasText: "erin" }).count(), 0);
    assert.deepEqual(page.violations, []);
  });
  /** Opens the pane of an account at a provider. */
  const of = async (provider) => {
    const { id } = (await demo.list("/api/connections?limit=200")).find((one) => one.provider == provider);
    await visit(page, `/connections/${id}`);
    const pane = page.getByRole("complementary", { name: "Connection" });
    await pane.getByRole("heading", { name: new RegExp(`^${provider}: `) }).waitFor();
    return pane;
  };

  it("asks a provider for what is new where it can, and has it push what happens", async () => {
    const pane = page.getByRole("complementary", { name: "Connection" });
    // Nobody asks with a grant that is lost.
    await of("spotify");
    await pane.getByRole("button", { name: "Remove" }).waitFor();
    assert.equal(await pane.getByRole("button", { name: "Sync now" }).count(), 0);
    await of("github");
    await pane.getByRole("button", { name: "Register…" }).click();
    const dialog = page.getByRole("dialog", { name: "Register at github" });
    await dialog.getByLabel("Repository").fill("no repository");
    await dialog.getByRole("button", { name: "Register" }).click();
    await dialog.getByText("must be a repository: owner/name").waitFor();
    await dialog.getByLabel("Repository").fill("acme/storefront");
    await dialog.getByRole("button", { name: "Register" }).click();
    const registration = pane.getByRole("listitem").filter({ hasText: "acme/storefront" });
    await registration.getByText("active").waitFor();
    // GitHub wants to be left alone for a minute; Gmail does not.
    await of("gmail");
    await pane.getByRole("button", { name: "Sync now" }).click();
    await page.waitForURL("**/jobs/job_*");
    await page.getByRole("region", { name: "Sync of a connection" }).getByText("completed").waitFor();
    assert.deepEqual(page.violations, []);
  });
  it("asks as often as somebody says, and takes back what was registered", async () => {
    const pane = await of("github");
    await pane.getByText("as often as usual").waitFor();
    await pane.getByRole("button", { name: "Settings…" }).click();
    const settings = page.getByRole("dialog", { name: "Settings of the connection" });
    await settings.getByLabel("Asked for what is new").selectOption("every");
    await settings.getByLabel("Seconds").fill("9999999");
    await settings.getByRole("button", { name: "Save" }).click();
    await settings.getByText("must be at most 2592000").waitFor();
    await settings.getByLabel("Seconds").fill("600");
    await settings.getByRole("button", { name: "Save" }).click();
    await pane.getByText("every 10 minutes").waitFor();
    await page.reload();
    await pane.getByText("every 10 minutes").waitFor();

    const registration = pane.getByRole("listitem").filter({ hasText: "acme/storefront" });
    await registration.getByRole("button", { name: "Remove acme/storefront" }).click();
    const removal = page.getByRole("dialog", { name: "Remove the registration?" });
    await removal.getByRole("button", { name: "Keep it" }).click();
    await registration.getByRole("button", { name: "Remove acme/storefront" }).click();
    await removal.getByRole("button", { name: "Remove it" }).click();
    await registration.waitFor({ state: "detached" });

    // The watch of a mailbox is registered without being asked for, and stays away where somebody says so.
    await of("gmail");
    await pane.getByRole("button", { name: "Settings…" }).click();
    await settings.getByLabel("Registered for the account itself").selectOption("no");
    await settings.getByRole("button", { name: "Save" }).click();
    await pane.getByText("not by itself").waitFor();
    assert.deepEqual(page.violations, []);
  });

  it("lets one user read and answer in the portal, and not another", async () => {
    const { token } = await demo.ask("POST", "/api/tokens", { user_id: "alice" });
    const [theirs] = await demo.list("/api/conversations?user_id=bob");
    const portal = await open(browser, demo, { key: null });
    await portal.goto(`/portal#token=${token}`);
    await portal.getByRole("link", { name: "Inbox", exact: true }).click();
    const list = portal.getByRole("list", { name: "Conversations" });
    await list.getByRole("link").filter({ hasText: "chat_alice_ivo" }).click();
    await portal.waitForURL("**/portal/inbox/cnv_*");
    assert.equal(await list.getByText("chat_bob").count(), 0);
    const pane = portal.getByRole("complementary", { name: "Conversation" });
    const said = pane.getByRole("log").locator(".message");
    await said.first().waitFor();
    await pane.getByLabel("Answer").fill("That suits me well.");
    await portal.keyboard.press("Enter");
    await said.filter({ hasText: "That suits me well." }).getByText(/(sent|delivered|read)$/).waitFor({ state: "attached" });
    const before = await said.count();
    await portal.waitForFunction((before) => document.querySelectorAll(".message").length > before, before);
    await visit(portal, `/portal/inbox/${theirs.id}`);
    await pane.getByRole("alert").waitFor();
    assert.equal(await said.count(), 0);
    assert.equal(await pane.getByLabel("Answer").count(), 0);
    assert.deepEqual(portal.violations, []);
    await portal.context().close();
  });
  it("reads a conversation as it goes on, and answers", async () => {
    await page.getByRole("link", { name: "Inbox", exact: true }).click();
    const list = page.getByRole("list", { name: "Conversations" });
    const link = list.getByRole("link").filter({ hasText: "chat_alice_bea" });
    await link.click();
    await page.waitForURL("**/inbox/cnv_*");
    const pane = page.getByRole("complementary", { name: "Conversation" });
    const said = pane.getByRole("log").locator(".message");
    await said.first().waitFor();
    // What is open counts as seen.
    await link.filter({ hasNotText: "unread" }).waitFor();
    await pane.getByLabel("Answer").fill("Come by at six.");
    await page.keyboard.press("Enter");
    const mine = said.filter({ hasText: "Come by at six." });
    await mine.getByText(/, (sent|delivered|read)$/).waitFor();
    assert.equal(await mine.count(), 1);
    // Others are appended as they come in.
    const before = await said.count();
    await page.waitForFunction((before) => document.querySelectorAll(".message").length > before, before);
    assert.deepEqual(page.violations, []);
  });
  it("shows the e-mails of a mailbox, and one of them", async () => {
    await page.getByRole("link", { name: "Emails", exact: true }).click();
    await page.getByRole("table", { name: "Emails" }).getByRole("link").first().click();
    await page.waitForURL("**/emails/eml_*");
    await page.getByRole("complementary").getByText(/Thursday|landlord|flat|invoice|drawings|there/).first().waitFor();
    assert.deepEqual(page.violations, []);
  });
});
