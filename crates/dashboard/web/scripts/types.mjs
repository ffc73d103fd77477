/** Makes `src/lib/schema.d.ts` from the reviewed OpenAPI document; with `--check`, says whether it is current. */

import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const snapshot = new URL("../../../server/tests/e2e/snapshots/e2e__openapi__openapi.snap", import.meta.url);
const target = new URL("../src/lib/schema.d.ts", import.meta.url);

// The snapshot begins with a few lines about itself, between lines of three dashes.
const document = (await readFile(snapshot, "utf8")).split(/^---$/m).slice(2).join("---");
const made = "// Made by `npm run types` from the OpenAPI document. Not to be edited.\n\n"
  + astToString(await openapiTS(document, { emptyObjectsUnknown: true }));

if (!process.argv.includes("--check")) {
  await writeFile(target, made);
} else if ((await readFile(target, "utf8").catch(() => "")) !== made) {
  console.error("src/lib/schema.d.ts is not what the OpenAPI document says: run `npm run types` in crates/dashboard/web");
  process.exitCode = 1;
}
