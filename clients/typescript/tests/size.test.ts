import assert from "node:assert/strict";
import { it } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

it("is at most 3 KiB, minified and compressed", async () => {
  const { outputFiles } = await build({
    entryPoints: ["src/index.ts"], bundle: true, minify: true, format: "esm", target: "es2022", write: false,
  });
  const bytes = gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
  assert.ok(bytes <= 3 * 1_024, `${bytes} bytes`);
});
