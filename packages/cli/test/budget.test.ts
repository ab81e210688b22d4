import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KpkeysError } from "@kpkeys/core";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { budget } from "../src/commands/budget.js";
import { budgetsOf } from "../src/check-plugin/budgets.js";
import { BUNDLED } from "../src/plugins/registry.js";
import { budgetTextOf } from "../src/report/budget.js";
import type { ArchBudget } from "../src/report/budget.js";
import { PLAIN } from "../src/report/style.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-budget-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

let printed = "";
beforeEach(() => {
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

let modules = 0;

/** A module with features of one key and one context each, as a user would write them, in plain JavaScript. */
function features(...names: readonly string[]): string {
  const path = join(folder, `features-${modules++}.mjs`);
  const kpkeys = 'Symbol.for("@kpkeys/core:Kpkeys")';
  const plugins = names.map(
    (name) => `export const ${name.toLowerCase()} = {
  id: "${name.toLowerCase()}", kind: "feature", description: "one key", contract: 2,
  setup(container) {
    const kpkeys = container.resolve(${kpkeys});
    kpkeys.registerPkey("${name}");
    kpkeys.defineContext("${name}", { ${name}: "rw" });
  },
};`,
  );
  writeFileSync(path, plugins.join("\n"));
  return path;
}

const ALL = { plugins: BUNDLED, arch: ["arm64-poe", "x86-pks"], feature: ["pgtables", "cred"], timeout: 500 } as const;

/** The budgets of bundled features and those of modules, in this process. */
const budgets = (...modules: readonly string[]): Promise<ArchBudget[]> => budgetsOf({ modules, ...ALL });

async function codeOf(path: string): Promise<string> {
  return budgets(path).then(
    () => "nothing thrown",
    (error: unknown) => (error as KpkeysError).code,
  );
}

describe("kpkeys budget", () => {
  it("sets the features that come along against 8 keys on arm64 and 16 on x86", async () => {
    expect(await budget([], { ...ALL, json: true })).toBe(0);
    const { arches } = JSON.parse(printed) as { arches: ArchBudget[] };
    expect(arches.map(({ arch, budget }) => [arch, budget?.register, budget?.keys])).toEqual([
      ["arm64-poe", "POR_EL1", 8],
      ["x86-pks", "IA32_PKRS", 16],
    ]);
    for (const { budget } of arches) {
      expect(budget?.contexts.map(({ name }) => name)).toEqual(["DEFAULT", "PGTABLES", "CRED", "UNRESTRICTED"]);
      expect(budget?.contexts[3]?.rights).toEqual({ DEFAULT: "rwx", PGTABLES: "rw", CRED: "rw" });
    }
  });

  it("shows the same as a table, with what one key for two would open", async () => {
    expect(await budget([], ALL)).toBe(0);
    expect(printed).toContain("arm64-poe: 3 of POR_EL1's 8 keys are wanted, 5 left");
    expect(printed).toMatch(/^PGTABLES +rwx +rw +r$/m);
    expect(printed).toContain("PGTABLES and CRED: the context PGTABLES could write the pages of CRED and");
  });

  it("fails where features exhaust the keys, which six more do on arm64 and not on x86", async () => {
    const six = features("A", "B", "C", "D", "E", "F");
    const arches = await budgets(six);
    expect(arches.map(({ budget }) => [budget?.wanted.length, budget?.fits])).toEqual([
      [9, false],
      [9, true],
    ]);
    const text = budgetTextOf(arches, PLAIN);
    expect(text).toContain("9 of POR_EL1's 8 keys are wanted, 1 too many: a machine with these features does not boot");
    expect(text).toContain("none left");
    expect(text).toMatch(/and \d+ more pairs, which open no less/);
  });

  it("fails where two features want the same key or context, and says which", async () => {
    for (const { conflict, budget } of await budgets(twice())) {
      expect(budget).toBeNull();
      expect(conflict).toEqual({
        code: "ERR_PKEY_DUPLICATE",
        message: expect.stringContaining("plugin 'again'") as string,
      });
      expect(conflict?.message).toContain("key CRED");
    }
  });

  it("refuses what is no module with features", async () => {
    const text = join(folder, "text.mjs");
    writeFileSync(text, "no JavaScript at all");
    const empty = join(folder, "empty.mjs");
    writeFileSync(empty, "export const nothing = 1;");
    expect(await codeOf(join(folder, "missing.mjs"))).toBe("ERR_INPUT_MISSING");
    expect(await codeOf(text)).toBe("ERR_PLUGIN_LOAD");
    expect(await codeOf(empty)).toBe("ERR_PLUGIN_LOAD");
  });
});

/** A feature that wants the key of another. */
function twice(): string {
  const path = join(folder, "twice.mjs");
  writeFileSync(
    path,
    `export const again = { id: "again", kind: "feature", description: "the same key", contract: 2,
  setup(container) { container.resolve(Symbol.for("@kpkeys/core:Kpkeys")).registerPkey("CRED"); } };`,
  );
  return path;
}
