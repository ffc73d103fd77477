import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

/** Puts compressed forms beside each file: they are made once here, and never by the server. */
const compressed: Plugin = {
  name: "compressed",
  generateBundle: {
    // After Vite, which writes into the scripts once more there.
    order: "post",
    handler(_, bundle) {
      for (const [fileName, file] of Object.entries(bundle)) {
        const source = Buffer.from(file.type == "chunk" ? file.code : file.source);
        const brotli = brotliCompressSync(source, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
        this.emitFile({ type: "asset", fileName: fileName + ".gz", source: gzipSync(source, { level: 9 }) });
        this.emitFile({ type: "asset", fileName: fileName + ".br", source: brotli });
      }
    },
  },
};

export default defineConfig({
  plugins: [svelte(), { ...compressed, enforce: "post" }],
  build: {
    target: "es2023",
    // The policy allows no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssCodeSplit: false,
  },
  // `npm run dev` beside `cargo xtask dev`.
  server: { proxy: { "^/(api|health|metrics|docs|openapi.json)": { target: "http://127.0.0.1:8400", ws: true } } },
});
