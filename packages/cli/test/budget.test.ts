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

/** A module with features of one key and one context each, in plain JavaScript. */
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
  it("lists the contexts of the bundled features, and 8 keys on arm64 and 16 on x86", async () => {
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

  it("prints a table of rights, and what sharing a key would expose", async () => {
    expect(await budget([], ALL)).toBe(0);
    expect(printed).toMatch(/^arm64-poe: .*\b3 of POR_EL1's 8 keys, 5 free$/m);
    expect(printed).toMatch(/^PGTABLES +rwx +rw +r$/m);
    expect(printed).toMatch(/^ {2}PGTABLES and CRED: /m);
  });

  it("reports keys that do not fit: six more features do not fit on arm64 and fit on x86", async () => {
    const six = features("A", "B", "C", "D", "E", "F");
    const arches = await budgets(six);
    expect(arches.map(({ budget }) => [budget?.wanted.length, budget?.fits])).toEqual([
      [9, false],
      [9, true],
    ]);
    const text = budgetTextOf(arches, PLAIN);
    expect(text).toMatch(/^arm64-poe: .*\b9 of POR_EL1's 8 keys, 1 too many: .*ERR_PKEY_EXHAUSTED/m);
    expect(text).toMatch(/and \d+ more pairs/);
  });

  it("reports the conflict of two features that register the same key, and names the feature", async () => {
    for (const { conflict, budget } of await budgets(twice())) {
      expect(budget).toBeNull();
      expect(conflict).toEqual({
        code: "ERR_PKEY_DUPLICATE",
        message: expect.stringContaining("plugin 'again'") as string,
      });
      expect(conflict?.message).toContain("CRED");
    }
  });

  it("reports a context that opens the key of another feature, which a machine rejects", async () => {
    const arches = await budgets(opens("CRED", "rw"));
    for (const { conflict, budget } of arches) {
      expect(budget).toBeNull();
      expect(conflict?.code).toBe("ERR_CONTEXT_FOREIGN_KEY");
      expect(conflict?.message).toContain("CRED");
    }
    expect(arches).toHaveLength(2);
    expect((await budgets(opens("CRED", "r"))).map(({ budget }) => budget?.fits)).toEqual([true, true]);
    expect(await codeOf(opens("MISSING", "rw"))).toBe("ERR_PKEY_UNKNOWN");
  });

  it("rejects a path without a module with features", async () => {
    const text = join(folder, "text.mjs");
    writeFileSync(text, "no JavaScript at all");
    const empty = join(folder, "empty.mjs");
    writeFileSync(empty, "export const nothing = 1;");
    expect(await codeOf(join(folder, "missing.mjs"))).toBe("ERR_INPUT_MISSING");
    expect(await codeOf(text)).toBe("ERR_PLUGIN_LOAD");
    expect(await codeOf(empty)).toBe("ERR_PLUGIN_LOAD");
  });
});

/** A feature with a context that gives rights on another key. */
function opens(key: string, rights: string): string {
  const path = join(folder, `opens-${modules++}.mjs`);
  writeFileSync(
    path,
    `export const opener = { id: "opener", kind: "feature", description: "one context", contract: 2,
  setup(container) {
    container.resolve(Symbol.for("@kpkeys/core:Kpkeys")).defineContext("OPENER", { ${key}: "${rights}" });
  } };`,
  );
  return path;
}

/** A feature that registers the key of another. */
function twice(): string {
  const path = join(folder, "twice.mjs");
  writeFileSync(
    path,
    `export const again = { id: "again", kind: "feature", description: "the same key", contract: 2,
  setup(container) { container.resolve(Symbol.for("@kpkeys/core:Kpkeys")).registerPkey("CRED"); } };`,
  );
  return path;
}
