/** The browser client in a browser, against the real program, on a bad network: every event once, in order, whatever happens. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { Proxy } from "./proxy.mjs";
import { ADMIN_KEY, Program, launch } from "./world.mjs";

const ENTRY = fileURLToPath(new URL("../../../../clients/typescript/src/index.ts", import.meta.url));
const EVENTS = 400;
const SEED = Number(process.env.WAYSTATION_TEST_SEED ?? Date.now() % 1_000_000);

describe(`the browser client on a bad network, seed ${SEED}`, () => {
  let program;
  let browser;
  let client;

  before(async () => {
    // Silence is noticed after two heartbeats.
    program = await Program.start({ WAYSTATION_REALTIME__HEARTBEAT_SECONDS: "1" });
    const options = { configFile: false, logLevel: "silent", build: { write: false, lib: { entry: ENTRY, formats: ["iife"], name: "client" } } };
    const [bundle] = [await build(options)].flat();
    client = bundle.output[0].code;
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await program?.stop();
  });

  for (const transport of ["websocket", "sse"]) {
    it(`misses nothing and repeats nothing over ${transport}, across a restart`, async () => {
      const proxy = await Proxy.start(() => Number(new URL(program.url).port), SEED);
      const context = await browser.newContext();
      const page = await context.newPage();
      await page.goto(`${proxy.url}/health`);
      await page.evaluate(`${client}; window.client = client`);
      await page.evaluate(([key, transport]) => {
        window.got = [];
        const stream = window.client.connect({ url: location.origin, getToken: () => key, transport, types: [`bad-network.${transport}`] });
        stream.on("event", ({ data }) => window.got.push(data.number));
        return new Promise((ready) => stream.on("ready", ready));
      }, [ADMIN_KEY, transport]);

      for (let number = 0; number < EVENTS; number++) {
        if (number == EVENTS / 2) {
          await program.end();
          await program.run();
        }
        await program.publish(`bad-network.${transport}`, { number, filling: "x".repeat(200) });
      }
      await page.waitForFunction((all) => window.got.length >= all, EVENTS, { timeout: 120_000 });
      // One more, so that a repeat of the last would have come before it.
      await program.publish(`bad-network.${transport}`, { number: EVENTS });
      await page.waitForFunction((last) => window.got.includes(last), EVENTS, { timeout: 120_000 });
      const got = await page.evaluate(() => window.got);
      assert.deepEqual(got, Array.from({ length: EVENTS + 1 }, (_, number) => number));
      const { cut, stall, late } = proxy.done;
      assert.ok(cut + stall + late > 0, "the network was too good");
      await context.close();
      proxy.stop();
    });
  }
});
