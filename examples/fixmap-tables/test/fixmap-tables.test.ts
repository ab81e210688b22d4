import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry } from "@kpkeys/core";
import { ExtensionPoints, LinearMap, StaticTablePages, Vmalloc } from "@kpkeys/core/contracts";
import { buildMachine, coverageOf, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { attack, runSuites } from "@kpkeys/kunit-suite";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { fixmapTables } from "../src/index.js";
import { fixmapTablesSuite } from "../src/suite.js";

const registry = createPluginRegistry([arm64Poe, x86Pks, pgtablesHardening, fixmapTables]);

const SMALL = { memory: [{ bytes: 2 ** 26 }] };

/** Page-table hardening as posted since v7: the hook leaves out the fixmap's tables, and the image's mapping. */
const POSTED = { pgtables: { fixmapTables: false, staticAliases: "linear" } };

function boot(arch: string, features: readonly string[], more: Partial<MachineSpec> = {}): Machine {
  return buildMachine({ ...DEFAULT_SPEC, ...SMALL, arch, features, options: POSTED, ...more }, registry);
}

const statusesOf = (machine: Machine): readonly string[] =>
  runSuites(machine, [fixmapTablesSuite]).flatMap(({ cases }) => cases.map(({ status }) => status));

/** The kinds of the mappings of the fixmap's tables that a stray store reaches. */
function openMappings(machine: Machine): ReadonlySet<string> {
  const runs = machine.get(StaticTablePages).keyed.filter(({ role }) => role === "fixmap");
  const isFixmap = (table: number): boolean => runs.some(({ pfn, pages }) => table >= pfn && table < pfn + pages);
  const linearMap = machine.get(LinearMap);
  const open = machine.scan().flatMap(({ pfn, aliases }) => {
    return isFixmap(pfn) ? aliases.filter(({ writable, pkey }) => writable && pkey === 0) : [];
  });
  return new Set(open.map(({ page }) => (linearMap.pfnOf(page) === undefined ? "image" : "linear")));
}

describe.each(["arm64-poe", "x86-pks"])("on %s, with the hook as posted", (arch) => {
  test("both mappings of every table of the fixmap are open, and both cases of the suite fail", () => {
    const machine = boot(arch, ["pgtables"]);
    expect(openMappings(machine)).toEqual(new Set(["image", "linear"]));
    expect(statusesOf(machine)).toEqual(["failed", "failed"]);
  });

  test("the feature closes both, and only the gaps of other tables are left", () => {
    const machine = boot(arch, ["pgtables", "fixmap-tables"]);
    expect(openMappings(machine)).toEqual(new Set());
    expect(statusesOf(machine)).toEqual(["passed", "passed"]);
    expect(machine.get(ExtensionPoints).suites).toContain(fixmapTablesSuite);
    const gaps = coverageOf(machine, machine.scan()).gaps.map(({ source, mapping }) => `${source} ${mapping}`);
    expect(new Set(gaps)).toEqual(new Set(["static other"]));
    const { bySource } = attack(machine, machine.scan());
    const symbol = machine.get(StaticTablePages).keyed.find(({ role }) => role === "fixmap")!.symbol;
    expect(bySource[symbol]!.blocked).toBe(bySource[symbol]!.tried);
    expect(bySource[symbol]!.tried).toBeGreaterThan(0);
  });

  test("the kernel still writes page tables through the fixmap", () => {
    const machine = boot(arch, ["pgtables", "fixmap-tables"], { strict: true });
    const vmalloc = machine.get(Vmalloc);
    expect(vmalloc.alloc(2048)).toBeDefined();
  });

  test("the suite is skipped, and no key is set, on a CPU without kernel pkeys", () => {
    const machine = boot(arch, ["pgtables", "fixmap-tables"], { boot: { rodata: "full", kpkeys: "off" } });
    expect(statusesOf(machine)).toEqual(["skipped", "skipped"]);
    expect(machine.counters().setMemoryPkeyPages).toBe(0);
  });
});

test("the program of the README prints that the linear map is open, and then closed", () => {
  const folder = fileURLToPath(new URL("..", import.meta.url));
  const program = /```js\n(.*?)```/s.exec(readFileSync(`${folder}README.md`, "utf8"))![1]!;
  const printed = execFileSync(process.execPath, ["--input-type=module", "-e", program], {
    cwd: folder,
    encoding: "utf8",
  });
  expect(printed).toBe("true\nfalse\n");
});
