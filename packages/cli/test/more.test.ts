import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedTrace } from "@kpkeys/workloads/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytesText, readBytes } from "../src/options.js";
import type { ReplayFlags } from "../src/options.js";
import { BUNDLED } from "../src/plugins/registry.js";
import { moreOf } from "../src/report/more.js";
import type { Asked } from "../src/report/more.js";
import { PLAIN } from "../src/report/style.js";
import { textOf } from "../src/report/text.js";
import { archReport, runReport } from "./fixture.js";

/** The default flags. */
const FLAGS: ReplayFlags = {
  plugins: BUNDLED,
  arch: ["arm64-poe", "x86-pks"],
  series: ["next"],
  feature: ["pgtables"],
  policy: ["off", "naive", "batched"],
  memory: 2 ** 32,
  cpus: 1,
  pkeys: true,
  check: "off",
  seed: 1,
};

const folder = mkdtempSync(join(tmpdir(), "kpkeys-more-"));
const trace = join(folder, "build.txt");
beforeAll(() => {
  writeFileSync(trace, "");
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** All commands, without their comments. */
function commandsOf(asked: Partial<Asked>, report = runReport(archReport())): string[] {
  const more = moreOf({ command: "run", trace, flags: FLAGS, kept: true, ...asked }, report);
  return Object.values(more).flatMap((lines: readonly string[]) => lines.map((line) => line.split("  # ")[0]!));
}

describe("the commands with more details", () => {
  test("of the bundled recording repeat no default", () => {
    const flags = { ...FLAGS, vmpte: embeddedTrace.vmpte };
    expect(commandsOf({ trace: embeddedTrace.trace, flags })).toEqual([
      "kpkeys run --series v9,next",
      expect.stringMatching(/^kpkeys attack \S+gcc-hello.perf-script.txt.gz$/),
      "kpkeys run --check sampled",
      "kpkeys kunit",
      "kpkeys show",
      "kpkeys run --json",
      "kpkeys run --until 10000 --trace-out out.pftrace",
    ]);
  });

  test("build the same machines with the flags that they accept", () => {
    const flags: ReplayFlags = {
      ...FLAGS,
      arch: ["x86-pks"],
      series: ["v8"],
      feature: ["pgtables", "cred"],
      policy: ["off", "naive"],
      memory: 3 * 2 ** 29,
      cpus: 2,
      pkeys: false,
      config: "my config",
      until: { seconds: 2.5 },
      sample: 3,
      seed: 7,
      check: "step",
      wrmsrCycles: 0,
    };
    const same = "--feature pgtables,cred";
    const rest = "--memory 1536MiB --cpus 2 --config 'my config' --no-pkeys";
    const part = "--check step --until 2.5s --sample 3 --seed 7 --wrmsr-cycles 0";
    expect(commandsOf({ command: "replay", flags })).toEqual([
      `kpkeys replay ${trace} --arch x86-pks --series v8,next ${same} --policy off,naive ${rest} ${part}`,
      `kpkeys attack ${trace} --arch x86-pks --series v8 ${same} --policy naive ${rest}`,
      `kpkeys kunit --arch x86-pks --series v8 ${same} --policy naive ${rest}`,
      "kpkeys show --arch x86-pks --series v8",
      `kpkeys replay ${trace} --arch x86-pks --series v8 ${same} --policy off,naive ${rest} ${part} --json`,
      `kpkeys replay ${trace} --arch x86-pks --series v8 ${same} --policy off,naive ${rest} ${part} --trace-out out.pftrace`,
    ]);
  });

  test("do not compare versions that the report already compares", () => {
    const commands = commandsOf({ flags: { ...FLAGS, series: ["v8", "v9"] } });
    expect(commands.filter((command) => /--series (?!v8,v9)/.test(command))).toEqual([]);
  });

  test("include the cost model if there is an estimate, and its table only for the default costs", () => {
    const { policies } = archReport();
    const overhead = { percent: 3, low: 1, high: 6, basis: "measured" };
    const report = runReport(archReport({ policies: { batched: { ...policies.batched!, overhead } } }));
    const models = (flags: ReplayFlags): string[] =>
      commandsOf({ flags }, report).filter((command) => command.startsWith("kpkeys overhead"));
    expect(models(FLAGS)).toEqual([`kpkeys overhead --what-if --trace ${trace}`, "kpkeys overhead"]);
    expect(models({ ...FLAGS, cost: "c.json" })).toEqual([`kpkeys overhead --what-if --trace ${trace} --cost c.json`]);
  });

  test.each([
    ["is a pipe", { trace: "/dev/stdin" }],
    ["does not exist", { trace: join(folder, "gone") }],
    ["was not kept", { kept: false }],
  ])("do not read a recording that %s", (_, asked) => {
    expect(commandsOf(asked)).toEqual(["kpkeys kunit", "kpkeys show"]);
  });

  test("are not cut in a narrow table, and are printed once for all tables", () => {
    const long = `kpkeys attack ${"x".repeat(200)}`;
    const more = { coverage: [], protection: [long, "kpkeys kunit"], cost: [], estimate: [], linux: [] };
    for (const arches of [[archReport()], [archReport({ series: "v8" }), archReport()]]) {
      const lines = textOf(runReport(...arches), PLAIN, 40, more).split("\n");
      expect(lines.filter((line) => line.includes("kpkeys"))).toEqual([`  more: ${long}`, "        kpkeys kunit"]);
    }
  });
});

test.each(["1MiB", "1536MiB", "4GiB", "2TiB"])("%s has the same text after parsing and formatting", (text) => {
  expect(bytesText(readBytes(text))).toBe(text);
});
