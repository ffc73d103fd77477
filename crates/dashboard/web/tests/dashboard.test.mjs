/** What a person does here, on the real program in a real browser. Whatever the page says of a violated policy fails the run. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, afterEach, before, describe, it } from "node:test";
import { fill } from "./sample.mjs";
import { Program, launch, open, receive, signIn, visit } from "./world.mjs";

const AXE = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

describe("the dashboard", () => {
  let program;
  let browser;
  let pages = [];
  let receivers = [];

  /** The pages of the host application, which holds the portal in a frame. */
  let host;
  let framed = "";

  before(async () => {
    host = await receive(() => ({ text: `<!doctype html><title>Host</title>${framed}`, headers: { "Content-Type": "text/html" } }));
    [program, browser] = await Promise.all([Program.start({ WAYSTATION_PORTAL__ALLOWED_ORIGINS: host.origin }), launch()]);
  });
  after(async () => {
    await browser?.close();
    await program?.stop();
    host?.stop();
  });
  afterEach(async () => {
    const violations = pages.flatMap((page) => page.violations);
    await Promise.all(pages.map((page) => page.context().close()));
    receivers.forEach((receiver) => receiver.stop());
    pages = [];
    receivers = [];
    assert.deepEqual(violations, []);
  });

  const opened = async (options) => {
    const page = await open(browser, program, options);
    pages.push(page);
    return page;
  };
  const receiver = async (answer) => {
    const made = await receive(answer);
    receivers.push(made);
    return made;
  };

  it("says what to do first where there is nothing yet", async () => {
    const page = await opened();
    await page.getByRole("heading", { name: "Nothing has come in yet" }).waitFor();
    for (const [link, title] of [["Events", "No events yet"], ["Deliveries", "No deliveries yet"], ["Subscriptions", "No subscriptions yet"], ["Queues", "No queues yet"], ["Inbox", "No conversations yet"], ["Emails", "No emails yet"], ["Alerts", "No alerts"], ["Jobs", "No jobs"], ["Sources", "No sources yet"], ["Connections", "No connections yet"], ["Rejections", "Nothing was refused"], ["Keys", "No keys are stored"]]) {
      await page.getByRole("navigation").getByRole("link", { name: link, exact: true }).click();
      await page.getByRole("heading", { name: title }).waitFor();
      await page.getByRole("region", { name: "the command" }).getByText("curl").waitFor();
    }
  });

  it("lets nobody in with a wrong key", async () => {
    const page = await opened({ key: null });
    await page.goto("/events");
    await page.getByLabel("Admin or user key").fill("wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("That key is not known here.").waitFor();
    await page.getByLabel("Admin or user key").fill("test-admin-key");
    await page.keyboard.press("Enter");
    // And then shows what was asked for.
    await page.getByRole("heading", { name: "Events", exact: true }).waitFor();
    assert.ok(!page.url().includes("key"));
  });

  it("shows a GitHub event as it arrives, and its delivery", async () => {
    const subscriber = await receiver(() => ({ text: "thanks" }));
    await program.subscribe({ url: subscriber.url, event_types: ["github.push"], description: "Builds" });
    await program.github("ping", { zen: "Keep it logically awesome." });
    const page = await opened();
    await page.getByRole("link", { name: "Events", exact: true }).click();
    const ping = page.getByRole("row").filter({ hasText: "github.ping" });
    await ping.waitFor();
    const place = await ping.boundingBox();
    const { event_id } = await program.github("push", { ref: "refs/heads/main", repository: { full_name: "octo/hello" } });
    // It is announced, and moves nothing until it is let in.
    const news = page.getByRole("button", { name: /1 new.*github\.push/ });
    await news.waitFor();
    assert.deepEqual(await ping.boundingBox(), place);
    await news.click();
    await page.locator(`[data-id="${event_id}"]`).click();
    await page.waitForURL(`**/events/${event_id}`);
    const pane = page.getByRole("complementary", { name: "Event" });
    await pane.getByText("octo/hello").waitFor();
    await pane.getByText("success").waitFor();
    await pane.getByText("Raw body").click();
    await pane.getByRole("region", { name: "the raw body" }).getByText('{"ref":"refs/heads/main"').waitFor();
    await pane.getByRole("link", { name: "Builds" }).click();
    const delivery = page.getByRole("complementary", { name: "Delivery" });
    await delivery.getByText("thanks").waitFor();
    await delivery.getByText(/webhook-signature: v1,/).waitFor();
    assert.equal(subscriber.got.length, 1);
    // Who follows need not let it in.
    await page.getByRole("link", { name: "Events", exact: true }).click();
    await ping.waitFor();
    await page.keyboard.press("f");
    await page.waitForURL("**/events?follow=1");
    const followed = await program.github("push", { ref: "refs/heads/next" });
    await page.locator(`[data-id="${followed.event_id}"]`).waitFor();
  });

  it("keeps in its place what is read while more comes in, and all of it when it is loaded anew", async () => {
    const events = Array.from({ length: 60 }, (_, row) => ({ type: "scroll.test", user_id: "alice", data: { row } }));
    await program.ask("POST", "/api/events", { events });
    const page = await opened();
    await visit(page, "/events?type=scroll.test");
    const row = page.getByRole("row").filter({ hasText: '"row":30}' });
    await page.getByText("60", { exact: true }).waitFor();
    await page.locator(".box").evaluate((box) => (box.scrollTop = 720));
    await row.waitFor();
    const place = await row.boundingBox();
    await program.publish("scroll.test", { row: 60 });
    await page.getByRole("button", { name: /1 new/ }).waitFor();
    assert.deepEqual(await row.boundingBox(), place);
    await page.keyboard.press("l");
    await page.getByText("61", { exact: true }).waitFor();
    assert.deepEqual(await row.boundingBox(), place);
    assert.match(await row.locator("time").getAttribute("title"), /:\d\d\.\d{3} · \d{4}-.*Z$/);
    await page.reload();
    await page.getByText("61", { exact: true }).waitFor();
    assert.equal(await page.getByLabel("Type").inputValue(), "scroll.test");
    // The search is where its key says, and is part of the address.
    await page.keyboard.press("/");
    await page.keyboard.type('"row":7}');
    await page.getByText("1 of 61 searched").waitFor();
    assert.equal(new URL(page.url()).searchParams.get("q"), '"row":7}');
  });

  it("retries a failed delivery by hand, with the key r", async () => {
    let isMended = false;
    const subscriber = await receiver(() => (isMended ? { text: "at last" } : { status: 500, text: "not today" }));
    const { id } = await program.subscribe({ url: subscriber.url, event_types: ["order.lost"], retry_count: 0 });
    await program.publish("order.lost", { id: 1 });
    await program.deliveries(`subscription_id=${id}&status=failed`);
    const page = await opened();
    await page.keyboard.press("g");
    await page.keyboard.press("d");
    await page.getByRole("heading", { name: "Deliveries", exact: true }).waitFor();
    await page.getByLabel("Status").selectOption("failed");
    await page.waitForURL("**/deliveries?status=failed");
    await page.getByRole("row").filter({ hasText: "order.lost" }).waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    const pane = page.getByRole("complementary", { name: "Delivery" });
    await pane.getByText("not today").waitFor();
    isMended = true;
    await page.keyboard.press("r");
    await pane.getByText("at last").waitFor();
    await pane.getByText("success", { exact: true }).waitFor();
    await pane.getByText("2 of 2").waitFor();
    // Every state has an address, and the way back leads to it.
    assert.match(page.url(), /\/deliveries\/dlv_\w+\?status=failed$/);
    await page.keyboard.press("Escape");
    await page.waitForURL("**/deliveries?status=failed");
    // So does the keyboard.
    await page.waitForFunction(() => document.activeElement?.dataset.id?.startsWith("dlv_"));
  });

  it("makes a subscription, tries its filter on a real event, shows the secret once, and tests it", async () => {
    const subscriber = await receiver(() => ({ text: "hello to you too" }));
    await program.publish("invoice.sent", { amount: 250 });
    const page = await opened();
    await page.getByRole("link", { name: "Subscriptions", exact: true }).click();
    await page.getByRole("link", { name: "New subscription" }).click();
    const dialog = page.getByRole("dialog", { name: "New subscription" });
    await dialog.getByLabel("URL").fill("http://10.0.0.1/");
    await dialog.getByLabel("Event types").fill("invoice.*");
    await dialog.getByLabel("Description").fill("Invoices");
    await dialog.getByRole("button", { name: "Subscribe" }).click();
    await dialog.getByRole("alert").waitFor();
    assert.equal(await dialog.getByLabel("URL").getAttribute("aria-invalid"), "true");
    await dialog.getByLabel("URL").fill(subscriber.url);
    await dialog.getByText("Filter, body and headers").click();
    await dialog.getByLabel("Filter").fill('{"data.amount": {"$gte": 1000}}');
    await dialog.getByRole("button", { name: "Preview" }).click();
    await dialog.getByText("The filter does not want this event.").waitFor();
    await dialog.getByLabel("Filter").fill('{"data.amount": {"$gte": 100}}');
    await dialog.getByLabel("Body").selectOption("transform");
    await dialog.getByLabel("Function").fill("(event) => ({ text: `It is ${event.data.amount}` })");
    await dialog.getByRole("button", { name: "Preview" }).click();
    await dialog.getByText("It is 250").waitFor();
    await dialog.getByRole("button", { name: "Subscribe" }).click();
    const secret = page.getByRole("dialog", { name: "The signing secret" });
    await secret.getByText(/^whsec_/).waitFor();
    await secret.getByRole("button", { name: "Close" }).click();
    const pane = page.getByRole("complementary", { name: "Subscription" });
    await pane.getByRole("button", { name: "Send a test" }).click();
    await pane.getByText("hello to you too").waitFor();
    assert.match(subscriber.got[0].headers["webhook-signature"], /^v1,/);
    await pane.getByRole("button", { name: "Pause" }).click();
    await pane.getByText("paused").waitFor();
    await pane.getByRole("button", { name: "Rotate secret" }).click();
    await page.getByRole("dialog", { name: "Rotate the signing key" }).getByRole("button", { name: "Rotate" }).click();
    await page.getByRole("dialog", { name: "The signing secret" }).getByText(/^whsec_/).waitFor();
  });

  it("retries many once they are counted, replays what came before, and shows the jobs", async () => {
    let isMended = false;
    const subscriber = await receiver(() => ({ status: isMended ? 200 : 500 }));
    await program.publish("parcel.sent", { id: 0 });
    const { id } = await program.subscribe({ url: subscriber.url, event_types: ["parcel.sent"], description: "Parcels", retry_count: 0 });
    await program.publish("parcel.sent", { id: 1 });
    await program.publish("parcel.sent", { id: 2 });
    await program.deliveries(`subscription_id=${id}&status=failed`, 2);
    isMended = true;
    const page = await opened();
    await visit(page, `/deliveries?status=failed&subscription=${id}`);
    await page.getByRole("button", { name: "Retry all…" }).click();
    const many = page.getByRole("dialog", { name: "Retry many deliveries" });
    await many.getByRole("button", { name: "Count" }).click();
    await many.getByText("2 deliveries.").waitFor();
    await many.getByRole("button", { name: "Retry 2" }).click();
    await page.waitForURL("**/jobs/job_*");
    await page.getByText("2 of 2 done").waitFor();
    await program.deliveries(`subscription_id=${id}&status=success`, 2);
    await visit(page, `/subscriptions/${id}`);
    await page.getByRole("button", { name: "Replay…" }).click();
    const replay = page.getByRole("dialog", { name: "Replay past events" });
    await replay.getByRole("button", { name: "Count" }).click();
    await replay.getByText("1 event.").waitFor();
    await replay.getByRole("button", { name: "Send 1" }).click();
    await page.getByRole("heading", { name: "Replay" }).waitFor();
    await program.deliveries(`subscription_id=${id}&status=success`, 3);
  });

  it("runs nothing that comes with an event, a header or a name", async () => {
    const script = `<script>window.planted = true</script><img src=x onerror="window.planted = true">`;
    const subscriber = await receiver(() => ({ status: 500, text: script, headers: { "X-Note": script, "Content-Type": "text/html" } }));
    const { id } = await program.subscribe({ url: subscriber.url, event_types: ["planted.*"], description: script, retry_count: 0, headers: { "X-Team": script } });
    const event = await program.publish("planted.one", { [script]: script, "__proto__": script }, script.slice(0, 100));
    const [delivery] = await program.deliveries(`subscription_id=${id}&status=failed`);
    await program.github("push", { script }, { secret: "wrong", headers: { "User-Agent": script } });
    await program.ask("POST", "/api/keys", { name: script });
    await program.ask("POST", "/api/sources", { name: script, sender: "stripe", secret: "whsec_test" });
    const conversation = await program.ask("POST", "/api/conversations", { user_id: "alice", usecase: script });
    await program.ask("POST", `/api/conversations/${conversation.id}/messages`, { content: script });
    await program.ask("POST", "/api/webhooks/event-types", { type: "planted.one", description: script, example: { script } });
    const page = await opened();
    const rejections = await program.list("/api/rejections");
    const events = await program.ask("GET", "/api/events?type=planted.one");
    assert.ok(event && events.data.length == 1);
    const shown = ["/events", `/events/${events.data[0].id}`, "/deliveries", `/deliveries/${delivery.id}`, "/subscriptions", `/subscriptions/${id}`, "/sources", `/rejections/${rejections[0].id}`, "/event-types/planted.one", "/keys", "/inbox", `/inbox/${conversation.id}`];
    const passed = ["/", "/rejections", "/queues", `/events/${encodeURIComponent(script)}`, `/${encodeURIComponent(script)}`];
    for (const path of [...shown, ...passed]) {
      await visit(page, path);
      if (shown.includes(path)) await page.getByText("window.planted").filter({ visible: true }).first().waitFor();
      else await page.getByRole("heading", { level: 1 }).waitFor();
      assert.equal(await page.evaluate(() => window.planted), undefined, path);
    }
    // As a name in a sign-in too, and behind the anchor.
    await page.goto(`/#${script}`);
    assert.equal(await page.evaluate(() => window.planted), undefined);
  });

  it("shows one user nothing of another's", async () => {
    const { key } = await program.ask("POST", "/api/keys", { name: "Erin", user_id: "erin" });
    await program.publish("secret.plan", { text: "for frank alone" }, "frank");
    await program.publish("open.plan", { text: "for erin" }, "erin");
    const page = await opened({ key: null });
    await signIn(page, key);
    await page.getByRole("link", { name: "Events", exact: true }).click();
    await page.getByRole("row").filter({ hasText: "open.plan" }).waitFor();
    assert.equal(await page.getByText("secret.plan").count(), 0);
    assert.equal(await page.getByRole("link", { name: "Keys", exact: true }).count(), 0);
    await visit(page, "/keys");
    await page.getByText("The admin key opens this page.").waitFor();
  });

  it("opens one user's things in a frame of the host's, and nobody else's", async () => {
    await program.publish("portal.secret", { text: "for frank alone" }, "frank");
    const subscriber = await receiver(() => ({ text: "thanks" }));
    const mine = await program.subscribe({ url: subscriber.url, event_types: ["portal.open"], user_id: "grace", description: "Grace's hook" });
    const theirs = await program.subscribe({ url: subscriber.url, event_types: ["portal.secret"], user_id: "frank", description: "Frank's hook" });
    const { token } = await program.ask("POST", "/api/tokens", { user_id: "grace" });
    await program.publish("portal.open", { text: "for grace" }, "grace");
    await program.deliveries(`subscription_id=${mine.id}&status=success`);
    framed = `<iframe title="Webhooks" width="900" height="600" src="${program.pages}/portal#token=${token}"></iframe>`;
    const stranger = await receiver(() => ({ text: framed, headers: { "Content-Type": "text/html" } }));
    const page = await opened({ key: null });
    await page.goto(host.origin);
    await page.frameLocator("iframe").getByRole("row").filter({ hasText: "portal.open" }).waitFor();
    const refused = page.waitForEvent("console", { predicate: (message) => /frame-ancestors/.test(message.text()) });
    await page.goto(stranger.origin);
    await refused;
    page.violations.length = 0;
    await page.goto(`/portal#token=${token}&accent=rgb(120%200%20120)&scheme=dark`);
    await page.getByRole("row").filter({ hasText: "portal.open" }).waitFor();
    assert.ok(!page.url().includes(token));
    assert.equal(await page.evaluate(() => document.documentElement.style.getPropertyValue("--accent")), "rgb(120 0 120)");
    assert.equal(await page.getByText("portal.secret").count(), 0);
    // A window of its own comes with the token too, and with the host's colours.
    const another = page.context().waitForEvent("page");
    await page.getByRole("link", { name: "Events", exact: true }).click({ button: "middle" });
    const elsewhere = await another;
    await elsewhere.getByRole("row").filter({ hasText: "portal.open" }).waitFor();
    assert.match(elsewhere.url(), /\/portal\/events$/);
    assert.equal(await elsewhere.evaluate(() => document.documentElement.style.colorScheme), "dark");
    await page.getByRole("link", { name: "Subscriptions" }).click();
    await page.waitForURL("**/portal/subscriptions");
    await page.getByRole("row").filter({ hasText: "Grace's hook" }).waitFor();
    assert.equal(await page.getByText("Frank's hook").count(), 0);
    await visit(page, `/portal/subscriptions/${theirs.id}`);
    await page.getByRole("alert").waitFor();
    assert.equal(await page.getByText(subscriber.url).count(), 0);
    await visit(page, "/portal/keys");
    await page.getByText("The admin key opens this page.").waitFor();
    // In our own colours; those of a host are its own affair.
    await page.goto(`/portal/events#token=${token}`);
    for (const name of ["Events", "Deliveries", "Inbox", "Emails", "Subscriptions", "Connections"]) {
      await page.getByRole("navigation").getByRole("link", { name, exact: true }).click();
      await page.getByRole("heading", { name, level: 1, exact: true }).waitFor();
      await check(page, `portal, ${name}`);
    }
    // Without its token it opens nothing, even beside the operator's own session.
    const operator = await opened();
    await operator.goto("/portal");
    await operator.getByRole("heading", { name: "Access has ended" }).waitFor();
  });

  it("stays quick with 100,000 rows, and has only those in sight", async () => {
    const page = await opened();
    let served = 0;
    await page.route(/\/api\/events\?/, async (route) => {
      const from = Number(new URL(route.request().url()).searchParams.get("cursor") ?? 0);
      const data = Array.from({ length: 20_000 }, (_, index) => ({
        id: `evt_${from + index}`, type: "load.test", user_id: "alice", source: "api", provider: null,
        occurred_at: new Date().toISOString(), received_at: new Date().toISOString(), data: { row: from + index },
      }));
      served = Math.max(served, from + data.length);
      await route.fulfill({ json: { data, next_cursor: from + data.length < 100_000 ? String(from + data.length) : null } });
    });
    await page.getByRole("link", { name: "Events", exact: true }).click();
    const box = page.locator(".box");
    while (served < 100_000) {
      await box.evaluate((box) => (box.scrollTop = box.scrollHeight));
      await page.waitForTimeout(20);
    }
    await page.getByText("100,000", { exact: true }).waitFor();
    await box.evaluate((box) => (box.scrollTop = box.scrollHeight));
    await page.locator('[data-id="evt_99999"]').waitFor();
    assert.ok((await page.getByRole("row").count()) < 80);
    // The keyboard reaches the last one.
    await page.locator('[data-id="evt_99999"]').focus();
    await page.keyboard.press("k");
    assert.equal(await page.evaluate(() => document.activeElement.dataset.id), "evt_99998");
  });

  it("has no fault that axe finds, on any page, light and dark, wide and narrow", async () => {
    const sample = await fill(program);
    receivers.push(sample);
    const first = async (path) => (await program.ask("GET", path)).data[0].id;
    const places = [
      "/", "/events", `/events/${await first("/api/events?type=github.push")}`,
      "/deliveries", `/deliveries/${await first("/api/deliveries?status=failed")}`,
      "/alerts", "/jobs", "/rejections", `/rejections/${await first("/api/rejections")}`,
      "/subscriptions", `/subscriptions/${sample.subscriptions[3].id}`, "/subscriptions?new=1",
      "/emails", "/inbox", `/inbox/${await first("/api/conversations?user_id=alice")}`,
      "/connections", `/connections/${await first("/api/connections")}`, "/connections?new=1",
      "/queues", "/sources", `/sources/${await first("/api/sources")}`, "/sources?new=1", "/sources?guide=slack",
      "/event-types", "/event-types/github.push", "/event-types?new=1", "/keys", "/keys?new=1", "/nowhere",
    ];
    const open = (role, name) => (page) => page.getByRole(role, { name, exact: true }).first().click();
    const rotate = (name, act) => async (page) => {
      await open("button", name)(page);
      await page.getByRole("dialog").getByRole("button", { name: act, exact: true }).click();
    };
    const connection = (await program.ask("GET", "/api/connections")).data.find(({ provider }) => provider == "github").id;
    const panels = [
      [`/subscriptions/${sample.subscriptions[3].id}`, open("button", "Edit"), "Edit the subscription"],
      [`/subscriptions/${sample.subscriptions[3].id}`, open("button", "Rotate secret"), "Rotate the signing key"],
      [`/subscriptions/${sample.subscriptions[3].id}`, open("button", "Replay…"), "Replay past events"],
      [`/subscriptions/${sample.subscriptions[3].id}`, open("button", "Delete"), "Delete the subscription?"],
      [`/events/${await first("/api/events?type=github.push")}`, open("button", "Resend…"), "Resend"],
      ["/deliveries?status=failed", open("button", "Retry all…"), "Retry many deliveries"],
      [`/sources/${await first("/api/sources")}`, open("button", "New address"), "A new address"],
      [`/connections/${connection}`, open("button", "Settings…"), "Settings of the connection"],
      [`/connections/${connection}`, open("button", "Register…"), "Register at github"],
      [`/connections/${connection}`, open("button", "Remove"), "Remove the connection?"],
      ["/keys", open("button", "Revoke"), "Revoke the key?"],
      ["/events", (page) => page.keyboard.press("?"), "Keyboard shortcuts"],
    ];
    const changing = [
      [`/subscriptions/${sample.subscriptions[3].id}`, rotate("Rotate secret", "Rotate"), "The signing secret"],
      [`/sources/${await first("/api/sources")}`, rotate("New address", "Create"), "Its address"],
    ];
    const walk = async (scheme, width, rules) => {
      const page = await opened({ scheme, width, height: 740, key: null });
      await page.goto("/");
      await page.getByRole("button", { name: "Sign in" }).waitFor();
      await check(page, `sign-in ${scheme}`, rules);
      await signIn(page);
      for (const path of places) {
        await visit(page, path);
        await page.getByRole(path.includes("?new") ? "dialog" : "main").waitFor();
        if (path.startsWith("/inbox/")) await page.getByRole("log").getByText("The door squeaks.").waitFor();
        else if (/\/\w+_\w+$/.test(path)) await page.locator("aside dl").first().waitFor();
        await check(page, `${path} ${scheme} ${width}`, rules);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(overflow <= 0, `${path} is ${overflow} px too wide at ${width}`);
      }
      await look(page, panels, `${scheme} ${width}`, rules);
      return page;
    };
    const look = async (page, dialogs, how, rules) => {
      for (const [path, act, title] of dialogs) {
        await visit(page, path);
        await act(page);
        await page.getByRole("dialog", { name: title }).waitFor();
        await check(page, `${title} ${how}`, rules);
        await page.keyboard.press("Escape");
      }
    };
    // What a narrow window leaves out has other colours in the dark, and nothing else that is not looked at already.
    const walks = [["light", 1280], ["dark", 360], ["dark", 1280, ["color-contrast"]]];
    const pages = await Promise.all(walks.map((one) => walk(...one)));
    // Of two that change one thing at once, one is refused: they take turns.
    for (const [at, [scheme, width, rules]] of walks.entries()) await look(pages[at], changing, `${scheme} ${width}`, rules);
  });

  async function check(page, where, rules) {
    // As a script of the page's own world it would be refused, and rightly. It stays until the page is loaded anew.
    if (await page.evaluate("!window.axe")) await page.evaluate(AXE);
    const faults = await page.evaluate(`axe.run(${JSON.stringify({ resultTypes: ["violations"], ...(rules && { runOnly: rules }) })}).then(({ violations }) => violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html.slice(0, 160)).join(" | ")))`);
    assert.deepEqual(faults, [], where);
  }
});
