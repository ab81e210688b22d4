import { fileURLToPath } from "node:url";
import { ESLint } from "eslint";
import { beforeAll, describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const IMPORT_RULES = ["no-restricted-imports", "no-restricted-syntax", "no-restricted-globals"];

let eslint: ESLint;

beforeAll(() => {
  // Only the import rules are judged, and they need no types: so a text is linted in milliseconds.
  eslint = new ESLint({
    cwd: ROOT,
    ruleFilter: ({ ruleId }) => IMPORT_RULES.includes(ruleId),
    overrideConfig: { files: ["**/*.ts"], languageOptions: { parserOptions: { projectService: false } } },
  });
});

/** Lints one statement as part of a file below packages/. Returns the number of import rules that it breaks. */
async function violations(file: string, statement: string): Promise<number> {
  const [result] = await eslint.lintText(`${statement}\n`, { filePath: `${ROOT}packages/${file}` });
  const foreign = result!.messages.filter(({ ruleId }) => ruleId === null || !IMPORT_RULES.includes(ruleId));
  expect(foreign, "the text parses, and no other rule runs").toEqual([]);
  return result!.messages.length;
}

const importing = (name: string): string => `import { something } from "${name}";`;

const ALL = [
  "@kpkeys/core",
  "@kpkeys/core/contracts",
  "@kpkeys/core/machine",
  "@kpkeys/kernel",
  "@kpkeys/arch-arm64-poe",
  "@kpkeys/arch-x86-pks",
  "@kpkeys/pgtables-hardening",
  "@kpkeys/cred-hardening",
  "@kpkeys/bpf-hardening",
  "@kpkeys/secret-keys",
  "@kpkeys/scenarios",
  "@kpkeys/kunit-suite",
  "@kpkeys/workloads",
  "@kpkeys/explain",
  "kpkeys",
  "tsyringe",
  "reflect-metadata",
];
const CORE = ["@kpkeys/core", "@kpkeys/core/contracts", "@kpkeys/core/machine"];
const SCOPED = ALL.filter((name) => name.startsWith("@"));

/** The table once more, written out by hand: what each package may import. */
const TABLE: Record<string, string[]> = {
  core: ["tsyringe", "reflect-metadata"],
  "arch-arm64-poe": ["@kpkeys/core/contracts", "@kpkeys/core/machine"],
  "arch-x86-pks": ["@kpkeys/core/contracts", "@kpkeys/core/machine"],
  kernel: CORE,
  "pgtables-hardening": ["@kpkeys/core", "@kpkeys/core/contracts"],
  "cred-hardening": ["@kpkeys/core", "@kpkeys/core/contracts"],
  "bpf-hardening": ["@kpkeys/core", "@kpkeys/core/contracts"],
  "secret-keys": ["@kpkeys/core", "@kpkeys/core/contracts"],
  scenarios: [...CORE, "@kpkeys/kernel"],
  "kunit-suite": [...CORE, "@kpkeys/kernel", "@kpkeys/scenarios", "@kpkeys/explain"],
  workloads: [...CORE, "@kpkeys/kernel"],
  explain: CORE,
  cli: SCOPED,
  integration: [...SCOPED, "kpkeys"],
};

describe("each package imports only what its row of the table allows", () => {
  for (const [name, allowed] of Object.entries(TABLE)) {
    test(`${name}, in sources and in tests`, async () => {
      for (const folder of ["src", "test"]) {
        const passed: string[] = [];
        for (const target of ALL) {
          if ((await violations(`${name}/${folder}/file.ts`, importing(target))) === 0) passed.push(target);
        }
        expect(passed.sort()).toEqual([...allowed].sort());
      }
    });
  }
});

describe("what runs in a browser uses no global of Node.js", () => {
  test.each([
    ["kernel/src/audit/file.ts", "export const id = process.pid;", 1],
    ["workloads/src/reader/file.ts", "export const bytes = Buffer.alloc(1);", 1],
    ["explain/src/vectors/file.ts", "export const bytes = globalThis.Buffer.alloc(1);", 1],
    ["kunit-suite/src/node/file.ts", "export const id = process.pid;", 0],
    ["workloads/src/reader-thread.ts", "export const id = process.pid;", 0],
    ["kernel/test/file.ts", "export const id = process.pid;", 0],
  ])("%s with %s: %i violations", async (file, statement, count) => {
    expect(await violations(file, statement)).toBe(count);
  });
});

describe("every way to import is seen", () => {
  test.each([
    'import "@kpkeys/kernel";',
    'import type { Thing } from "@kpkeys/kernel";',
    'export * from "@kpkeys/kernel";',
    'export { thing } from "@kpkeys/kernel";',
    'export const later = import("@kpkeys/kernel");',
    'export type Thing = import("@kpkeys/kernel").Thing;',
    'import { thing } from "../../kernel/src/thing.js";',
    'import { thing } from "../../kernel/dist/thing.js";',
  ])("%s in a feature", async (statement) => {
    expect(await violations("pgtables-hardening/src/file.ts", statement)).toBe(1);
  });

  test.each(['import { feature } from "../src/feature.js";', 'import { readFileSync } from "node:fs";'])(
    "%s in a feature's test is not a violation",
    async (statement) => {
      expect(await violations("pgtables-hardening/test/file.test.ts", statement)).toBe(0);
    },
  );
});

describe("the benchmarks import packages by their names", () => {
  test.each([
    ['import { buildMachine } from "@kpkeys/kernel";', 0],
    ['import { jobsOf } from "../../packages/cli/src/options.js";', 1],
    ['import { RunReport } from "kpkeys";', 1],
  ])("%s: %i violations", async (statement, count) => {
    expect(await violations("../bench/src/file.ts", statement)).toBe(count);
  });
});

describe("an architecture takes errors and injection from core's first entry, nothing else", () => {
  test.each([
    ['import { KpkeysError } from "@kpkeys/core";', 0],
    ['import { inject, injectable, type DependencyContainer } from "@kpkeys/core";', 0],
    ['import { createGuard } from "@kpkeys/core";', 1],
    ['import * as core from "@kpkeys/core";', 1],
  ])("%s: %i violations", async (statement, count) => {
    expect(await violations("arch-x86-pks/src/file.ts", statement)).toBe(count);
  });
});

describe("core's framework and machine import contracts, never each other", () => {
  test.each([
    ["framework", "../contracts/index.js", 0],
    ["framework", "../machine/index.js", 1],
    ["framework", "../machine/walker.js", 1],
    ["framework", "./host.js", 0],
    ["framework", "../errors.js", 0],
    ["machine", "../contracts/index.js", 0],
    ["machine", "../framework/index.js", 1],
    ["machine", "../index.js", 1],
    ["machine", "../errors.js", 0],
    ["contracts", "../framework/host.js", 1],
    ["contracts", "../machine/walker.js", 1],
    ["contracts", "../index.js", 1],
    ["contracts", "./token.js", 0],
    ["contracts/kernel", "../token.js", 0],
    ["contracts/kernel", "../../machine/tlb.js", 1],
  ])("%s importing %s: %i violations", async (entry, target, count) => {
    expect(await violations(`core/src/${entry}/file.ts`, importing(target))).toBe(count);
  });
});
