// AsyncAPI's own parser over schemas/asyncapi.json: what it finds to be wrong, and how many operations it sees.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(new URL("../../.node/", import.meta.url));
const { Parser } = require("@asyncapi/parser");

const { document, diagnostics } = await new Parser().parse(readFileSync("schemas/asyncapi.json", "utf8"));
// Severity 0 is an error, 1 a warning; what is below are tips of style.
const faults = diagnostics.filter(({ severity }) => severity <= 1);
for (const { path, message } of faults) console.log(`${path.join(".")}: ${message}`);
console.log(`${document?.operations().length} operations`);
process.exitCode = faults.length || !document ? 1 : 0;
