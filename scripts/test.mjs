// The tests: `npm test` is `vitest run` with the arguments after `npm test --`. They read the sources; the build is for
// tests that start the command, and for the types that tests hold.
import { ensure, node } from "./ensure.mjs";

await ensure("tests");
process.exitCode = node(["node_modules/vitest/vitest.mjs", "run", ...process.argv.slice(2)]);
