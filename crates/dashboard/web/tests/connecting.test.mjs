/** How a user grants access in a browser: it ends in the one in which it began, also where the portal is in somebody's frame. */

import assert from "node:assert/strict";
import { after, before, it } from "node:test";
import { Program, launch, open, receive } from "./world.mjs";

/** Asks nothing: whoever comes has agreed. */
function github({ url }) {
  const { pathname, searchParams } = new URL(url, "http://provider.test");
  const json = (value) => ({ text: JSON.stringify(value), headers: { "Content-Type": "application/json" } });
  switch (pathname) {
    case "/authorize": {
      const back = new URL(searchParams.get("redirect_uri"));
      back.search = new URLSearchParams({ code: "good", state: searchParams.get("state") });
      return { status: 302, headers: { Location: back.href } };
    }
    case "/token": return json({ access_token: "ghu_1", token_type: "bearer", scope: "repo" });
    case "/user": return json({ login: "octocat", id: 1, type: "User" });
    default: return { status: 404 };
  }
}

let program, browser, provider, host;
let framed = "";

before(async () => {
  provider = await receive(github);
  const page = () => ({ text: `<!doctype html><title>Host</title>${framed}`, headers: { "Content-Type": "text/html" } });
  host = await receive(page);
  // Another site than the program's, which is at 127.0.0.1.
  host.elsewhere = host.origin.replace("127.0.0.1", "localhost");
  [program, browser] = await Promise.all([
    Program.start({
      WAYSTATION_PORTAL__ALLOWED_ORIGINS: host.elsewhere,
      GITHUB_CLIENT_ID: "id",
      GITHUB_CLIENT_SECRET: "secret",
      GITHUB_AUTHORIZE_URL: `${provider.origin}/authorize`,
      GITHUB_TOKEN_URL: `${provider.origin}/token`,
      GITHUB_API_BASE: provider.origin,
    }),
    launch(),
  ]);
});
after(async () => {
  await browser?.close();
  await program?.stop();
  provider?.stop();
  host?.stop();
});

const connections = (user) => program.list(`/api/connections?user_id=${user}`);

it("connects an account from the dashboard", async () => {
  const page = await open(browser, program);
  await page.goto("/connections?new=1");
  await page.getByLabel("Provider").selectOption("github");
  await page.getByLabel("User").fill("alice");
  await page.getByRole("button", { name: "Go to the provider" }).click();
  await page.waitForURL(/\/connections\/con_/);
  assert.equal((await connections("alice"))[0].account_id, "octocat");
  const cookies = await page.context().cookies(`${program.pages}/api/oauth/github/callback`);
  const marks = cookies.filter(({ name }) => name.startsWith("waystation_oauth_"));
  assert.deepEqual(marks.map(({ httpOnly, sameSite, path }) => ({ httpOnly, sameSite, path })),
    [{ httpOnly: true, sameSite: "Lax", path: "/api/oauth/github/callback" }]);
  assert.deepEqual(page.violations, []);
  await page.context().close();
});

it("connects an account from the portal in a frame of another site's", async () => {
  const { token } = await program.ask("POST", "/api/tokens", { user_id: "grace" });
  framed = `<iframe title="Webhooks" width="900" height="600" src="${program.pages}/portal/connections?new=1#token=${token}"></iframe>`;
  const page = await open(browser, program, { key: null });
  await page.goto(host.elsewhere);
  const frame = page.frameLocator("iframe");
  await frame.getByLabel("Provider").selectOption("github");
  const opened = page.context().waitForEvent("page");
  await frame.getByRole("button", { name: "Go to the provider" }).click();
  await (await opened).waitForURL(/\/portal\/connections/);
  assert.equal((await connections("grace"))[0].account_id, "octocat");
  assert.deepEqual(page.violations, []);
  await page.context().close();
});

it("tells somebody who was sent to end what another has begun", async () => {
  const { token } = await program.ask("POST", "/api/tokens", { user_id: "mallory" });
  const started = await fetch(`${program.url}/api/oauth/github/start`, {
    headers: { Authorization: `Bearer ${token}` }, redirect: "manual",
  });
  const page = await open(browser, program, { key: null });
  const answer = await page.goto(started.headers.get("location"));
  assert.equal(answer.status(), 403);
  await page.getByText("this is not the browser in which the authorization was begun").waitFor();
  assert.deepEqual((await program.ask("GET", "/api/connections?user_id=mallory")).data, []);
  await page.context().close();
});
