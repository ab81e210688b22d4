import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedTrace } from "@kpkeys/workloads/node";
import { afterAll, expect, test } from "vitest";
import { kpkeysWith } from "../e2e/kpkeys.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-memory-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A module that writes the largest resident set of the command in kB when it ends. */
const WITNESS = `
const { isMainThread } = require("node:worker_threads");
if (isMainThread) process.on("exit", () => require("node:fs").writeFileSync(process.env.RSS_FILE, String(process.resourceUsage().maxRSS)));
`;

/** The largest resident set of a replay of the bundled recording, repeated: gzip files can be concatenated. */
function residentSet(times: number): { readonly events: number; readonly kilobytes: number } {
  const trace = join(folder, "repeated.gz");
  writeFileSync(trace, Buffer.concat(Array.from({ length: times }, () => readFileSync(embeddedTrace.trace))));
  const witness = join(folder, "witness.cjs");
  writeFileSync(witness, WITNESS);
  const variables = { NODE_OPTIONS: `--require ${witness}`, RSS_FILE: join(folder, "rss") };
  const flags = ["--arch", "x86-pks", "--policy", "batched", "--memory", "1GiB", "--json"];
  const { stdout } = kpkeysWith(variables, ["replay", ...flags, trace]);
  const { trace: replayed } = JSON.parse(stdout) as { trace: { events: number } };
  return { events: replayed.events, kilobytes: Number(readFileSync(variables.RSS_FILE, "utf8")) };
}

test("ten times as many events increase the memory of a replay by less than 10 %", () => {
  const short = residentSet(20);
  const long = residentSet(200);
  expect(long.events).toBe(10 * short.events);
  expect(long.kilobytes / short.kilobytes).toBeLessThan(1.1);
});
