/** What a test runs in: the real program on data of its own, a receiver, and a browser that tells of every violation. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHmac, randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const BINARY = process.env.WAYSTATION_TEST_BINARY ?? new URL("../../../../target/debug/waystation", import.meta.url).pathname;
const CHROMIUM = process.env.WAYSTATION_TEST_CHROMIUM ?? "/usr/bin/chromium";
/** Serves pages in the place of the program, where they are newer than what it has embedded. */
const FRONT = process.env.WAYSTATION_TEST_FRONT;

export const ADMIN_KEY = "test-admin-key";
const GITHUB_SECRET = "it's a secret";

/** Starts the program, and asks it things as the admin. */
export class Program {
  /** `env` is set beside what every test needs. */
  static async start(env = {}) {
    const program = new Program();
    program.env = env;
    program.directory = await mkdtemp(join(tmpdir(), "waystation-dashboard-"));
    await program.run();
    program.front = FRONT ? await serveFront(FRONT, program.url) : undefined;
    program.pages = program.front?.url ?? program.url;
    return program;
  }

  /** Starts the process, and waits until it says where it is. */
  async run() {
    this.process = spawn(BINARY, ["--listen", "127.0.0.1:0"], {
      cwd: this.directory,
      env: {
        PATH: process.env.PATH,
        RUST_LOG: "warn",
        WAYSTATION_ADMIN_KEY: ADMIN_KEY,
        WAYSTATION_DATABASE_URL: `sqlite:${this.directory}/waystation.db`,
        WAYSTATION_DELIVERY__ALLOW_HOSTS: "127.0.0.0/8",
        GITHUB_WEBHOOK_SECRET: GITHUB_SECRET,
        ...this.env,
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.url = await new Promise((found, failed) => {
      let said = "";
      this.process.stdout.on("data", (text) => {
        said += text;
        const url = /Waystation is at (http:\S+)/.exec(said);
        if (url) found(url[1]);
      });
      this.process.on("exit", (code) => failed(new Error(`the program ended with ${code}`)));
    });
  }

  /** Ends the process in order. */
  async end() {
    const ended = new Promise((done) => this.process.on("exit", done));
    this.process.kill("SIGTERM");
    await ended;
  }

  async stop() {
    this.front?.stop();
    await this.end();
    await rm(this.directory, { recursive: true, force: true });
  }

  ask(method, path, body) {
    return ask(this.url, ADMIN_KEY, method, path, body);
  }

  publish(type, data, user_id = "alice") {
    return this.ask("POST", "/api/events", { type, user_id, data });
  }

  subscribe(terms) {
    return this.ask("POST", "/api/webhooks", { event_types: ["*"], ...terms });
  }

  /** What GitHub would send. */
  async github(kind, payload, { user = "alice", secret = GITHUB_SECRET, headers = {} } = {}) {
    const body = JSON.stringify(payload);
    const signature = createHmac("sha256", secret).update(body).digest("hex");
    const answer = await fetch(`${this.url}/api/webhooks/github/${user}`, {
      method: "POST",
      body,
      headers: {
        "Content-Type": "application/json",
        "X-GitHub-Event": kind,
        "X-GitHub-Delivery": randomUUID(),
        "X-Hub-Signature-256": `sha256=${signature}`,
        ...headers,
      },
    });
    return { status: answer.status, ...(await answer.json()) };
  }

  list(path, enough) {
    return list(this, path, enough);
  }

  deliveries(query, enough) {
    return this.list(`/api/deliveries?${query}`, enough);
  }
}

/** Waits until a list holds so many, and answers it. */
async function list(program, path, enough = 1) {
  for (;;) {
    const { data } = await program.ask("GET", path);
    if (data.length >= enough) return data;
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

async function ask(url, key, method, path, body) {
  const answer = await fetch(url + path, {
    method,
    headers: { Authorization: `Bearer ${key}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text && JSON.parse(text);
}

/** `waystation demo`, and the link that it prints. */
export class Demo {
  static async start() {
    const demo = new Demo();
    demo.directory = await mkdtemp(join(tmpdir(), "waystation-dashboard-"));
    demo.process = spawn(BINARY, ["demo", "--port", "0", "--rate", "20"], {
      cwd: demo.directory,
      env: { PATH: process.env.PATH, TMPDIR: demo.directory },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const link = await new Promise((found, failed) => {
      let said = "";
      demo.process.stdout.on("data", (text) => {
        said += text;
        const link = /(http:\S+?)(\/sign-in#\S+)/.exec(said);
        if (link && said.includes("Ctrl-C")) found(Object.assign(link, { key: /\bwsk_\w+/.exec(said)?.[0] }));
      });
      demo.process.on("exit", (code) => failed(new Error(`the demo ended with ${code}`)));
    });
    demo.url = link[1];
    demo.key = link.key;
    demo.front = FRONT ? await serveFront(FRONT, demo.url) : undefined;
    demo.pages = demo.front?.url ?? demo.url;
    demo.link = demo.pages + link[2];
    return demo;
  }

  ask(method, path, body) {
    return ask(this.url, this.key, method, path, body);
  }

  list(path, enough) {
    return list(this, path, enough);
  }

  async stop() {
    this.front?.stop();
    const ended = new Promise((done) => this.process.on("exit", done));
    this.process.kill("SIGINT");
    assert.equal(await ended, 0);
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** A subscriber that answers as it is told. */
export async function receive(answer) {
  const got = [];
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    got.push({ headers: request.headers, body });
    const { status = 200, headers = {}, text = "" } = (await answer?.(request, body, got.length)) ?? {};
    response.writeHead(status, headers).end(text);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    got,
    url: `http://127.0.0.1:${server.address().port}/hook`,
    origin: `http://127.0.0.1:${server.address().port}`,
    stop: () => (server.close(), server.closeAllConnections()),
  };
}

/** The newest pages in front of a program that may be older, under the same policy. For those who change them. */
async function serveFront(directory, target) {
  const { readFile } = await import("node:fs/promises");
  const types = { js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
  const answer = async (request, response) => {
    if (/^\/(api|docs|openapi.json|health|metrics)/.test(request.url)) {
      const body = ["GET", "HEAD"].includes(request.method) ? undefined : Buffer.concat(await request.toArray());
      const { host: _host, connection: _connection, origin: _origin, ...headers } = request.headers;
      const answer = await fetch(target + request.url, { method: request.method, headers, body, redirect: "manual" });
      const { "content-encoding": _encoding, "content-length": _length, ...rest } = Object.fromEntries(answer.headers);
      return response.writeHead(answer.status, rest).end(Buffer.from(await answer.arrayBuffer()));
    }
    const { policy } = await fetch(target + request.url).then((page) => ({ policy: page.headers.get("content-security-policy") }));
    const isAsset = /^\/(assets\/|favicon)/.test(request.url);
    const file = await readFile(join(directory, isAsset ? request.url : "index.html"));
    const type = isAsset ? types[request.url.split(".").pop()] : "text/html; charset=utf-8";
    response.writeHead(200, { "Content-Type": type, "Content-Security-Policy": policy }).end(file);
  };
  const server = createServer((request, response) => answer(request, response).catch(() => response.destroy()));
  // Streams go through as they are, with the browser's own words on who asks.
  server.on("upgrade", (request, socket, head) => {
    const upstream = connect(Number(new URL(target).port), "127.0.0.1", () => {
      const { rawHeaders } = request;
      const lines = rawHeaders.flatMap((name, index) => (index % 2 ? [] : [`${name}: ${rawHeaders[index + 1]}`]));
      upstream.write(`GET ${request.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    for (const end of [upstream, socket]) end.on("error", () => (upstream.destroy(), socket.destroy()));
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => (server.close(), server.closeAllConnections()) };
}

export function launch() {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
}

/** A page whose every error and every violation of the policy is kept in `page.violations`. */
export async function open(browser, program, { width = 1280, height = 800, scheme = "light", key = ADMIN_KEY, state } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, baseURL: program.pages, storageState: state });
  const page = await context.newPage();
  page.violations = [];
  page.on("pageerror", (error) => page.violations.push(String(error)));
  page.on("console", (message) => {
    const text = message.text();
    // A stream is connected again where it breaks off. A refusal that is shown to the reader is no fault of the page.
    if (message.type() == "error" && !/Failed to load resource|WebSocket connection/.test(text)) page.violations.push(text);
  });
  await page.exposeFunction("tellViolation", (text) => page.violations.push(text));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => window.tellViolation(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
  });
  if (key) await signIn(page, key);
  return page;
}

export async function signIn(page, key = ADMIN_KEY) {
  await page.goto("/");
  await page.getByLabel("Admin or user key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
}

/** Goes to a page as a reader does, without loading anew: a key that is held in memory stays. */
export async function visit(page, path) {
  await page.evaluate((path) => {
    history.pushState(null, "", path);
    dispatchEvent(new PopStateEvent("popstate"));
  }, path);
}
