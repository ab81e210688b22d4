import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { createPluginRegistry } from "@kpkeys/core";
import {
  Observers,
  OK,
  PageTableFormat,
  PageTables,
  PgtableArch,
  toLevel,
  toPfn,
  toVpn,
  Vmalloc,
  wordsOf,
} from "@kpkeys/core/contracts";
import type { Pfn, Vpn, Words } from "@kpkeys/core/contracts";
import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";
import { frameKeys } from "../../../examples/frame-keys/src/index.js";
import { partsOf } from "./markdown.js";

const registry = createPluginRegistry([arm64Poe, frameKeys, pgtablesHardening]);
const PAGE_SHIFT = 12;

/** The columns of the table of the example: machines with hardened page tables. */
const MACHINES = {
  "arm64-poe": () => boot("arm64-poe", "linear"),
  "arm64-poe, both aliases": () => boot("arm64-poe", "both"),
  "frame-keys": () => boot("frame-keys", "linear"),
} as const;

/** A machine of two CPUs. As in every posted version, static tables get the key in their linear mapping, or in both mappings. */
function boot(arch: string, staticAliases: "linear" | "both", features = ["pgtables"]): Machine {
  const options = features.length === 0 ? {} : { pgtables: { staticAliases } };
  const memory = [{ bytes: 2 ** 27 }];
  return buildMachine({ ...DEFAULT_SPEC, memory, cpus: 2, arch, features, options }, registry);
}

/** A store by kernel code on CPU 1, with the initial value of the key register. @returns whether the word has the value */
function storeTo(machine: Machine, page: Vpn, index: number, table: Pfn, value: Words): boolean {
  const { high, low } = wordsOf(page, PAGE_SHIFT, index * 8);
  const done = machine.cpus.all[1]!.store64(high, low, value.high, value.low) === OK;
  const found = machine.memory.read(table, index);
  expect(found.high === value.high && found.low === value.low).toBe(done);
  return done;
}

/** The value that an attack stores: no valid entry of either architecture. */
const MARK: Words = { high: 0, low: 0x1230000 };

/** Index of an empty entry of a table. */
function emptyIn({ memory }: Machine, table: Pfn): number {
  const words = new Int32Array(1024);
  memory.readPage(table, words);
  return Array.from({ length: 512 }, (_, i) => i).findLast((i) => words[2 * i] === 0 && words[2 * i + 1] === 0)!;
}

function pageOf(machine: Machine, area: "fixmap" | "image", page = 0): Vpn {
  return toVpn(Number(machine.get(PgtableArch).layout[area] >> BigInt(PAGE_SHIFT)) + page);
}

/** The page at which the image's mapping maps a frame of the image. */
function imageAlias(machine: Machine, pfn: Pfn): Vpn {
  const { imageOffset } = machine.get(PgtableArch).layout;
  return pageOf(machine, "image", pfn - machine.memory.firstPfn - imageOffset / 2 ** PAGE_SHIFT);
}

const LAST_LEVEL = toLevel(3);

/** The entry of a level that translates a page, and its table. */
function entryOf(machine: Machine, page: Vpn, level = LAST_LEVEL): { table: Pfn; index: number } {
  const tables = machine.get(PageTables);
  return tables.entryAt(tables.root, level, page)!;
}

/** The attacks that write a table page through another mapping, by the rows of the example's table. Each returns whether it does. */
const ATTACKS: Readonly<Record<string, (machine: Machine) => boolean>> = {
  /** CPU 0 writes the root through its fixmap slot. CPU 1 stores to the slot when CPU 0 has just filled its TLB entry. */
  "the fixmap window of `set_swapper_pgd`"(machine) {
    const tables = machine.get(PageTables);
    const slot = wordsOf(pageOf(machine, "fixmap"), PAGE_SHIFT);
    const index = emptyIn(machine, tables.root);
    let reached: boolean | undefined;
    const detach = machine.get(Observers).attach({
      tlbFill(cpu, high, low) {
        if (cpu !== 0 || high !== slot.high || (low & -4096) !== slot.low) return;
        reached ??= storeTo(machine, pageOf(machine, "fixmap"), index, tables.root, MARK);
      },
    });
    const other = emptyIn(machine, tables.root) - 1;
    tables.setEntry(toLevel(0), tables.root, other, machine.memory.read(tables.root, other));
    detach();
    expect(reached).toBeDefined();
    return reached!;
  },
  /** CPU 1 makes a fixmap slot map a table page of the linear map, through the image alias of the slot's table; then it stores there. */
  "the fixmap's own tables"(machine) {
    const format = machine.get(PageTableFormat);
    const victim = machine.get(PageTables).allocTable("kernel")!;
    const slot = pageOf(machine, "fixmap", 1);
    const { table, index } = entryOf(machine, slot);
    const leaf = format.makeLeaf(LAST_LEVEL, victim, format.protections.PAGE_KERNEL);
    if (!storeTo(machine, imageAlias(machine, table), index, table, leaf)) return false;
    return storeTo(machine, slot, 7, victim, MARK);
  },
  "the image alias of a static table"(machine) {
    const { table } = entryOf(machine, pageOf(machine, "image"), toLevel(2));
    return storeTo(machine, imageAlias(machine, table), emptyIn(machine, table), table, MARK);
  },
  "a new alias on request (`vmap`)"(machine) {
    const victim = machine.get(PageTables).allocTable("kernel")!;
    return storeTo(machine, machine.get(Vmalloc).mapRam([victim])!, 7, victim, MARK);
  },
};

/** The rows of the example's table: an attack, and a cell for each machine. */
function rowsOfReadme(): readonly (readonly string[])[] {
  const table = partsOf("examples/frame-keys/README.md").find(({ text }) => text.startsWith("| attack"))!;
  const rows = table.text.split("\n").map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return rows.filter((_, row) => row !== 1);
}

describe("attacks on page tables through another mapping", () => {
  it("give what the table of the example states", () => {
    const expected = [
      ["attack", ...Object.keys(MACHINES)],
      ...Object.entries(ATTACKS).map(([name, run]) => [
        name,
        ...Object.values(MACHINES).map((make) => (run(make()) ? "reaches the table" : "faults")),
      ]),
    ];
    expect(rowsOfReadme()).toEqual(expected);
  });

  it("are stopped by keys of frames, each of them, and by nothing else", () => {
    for (const run of Object.values(ATTACKS)) {
      expect(run(boot("frame-keys", "linear"))).toBe(false);
      expect(run(boot("frame-keys", "linear", []))).toBe(true);
    }
  });

  it("through a slot that maps a table page fault with keys of frames, even if the slot's own entry was written", () => {
    const machine = boot("frame-keys", "linear");
    const format = machine.get(PageTableFormat);
    const victim = machine.get(PageTables).allocTable("kernel")!;
    const slot = pageOf(machine, "fixmap", 1);
    const { table, index } = entryOf(machine, slot);
    machine.memory.write(table, index, format.makeLeaf(LAST_LEVEL, toPfn(victim), format.protections.PAGE_KERNEL));
    expect(storeTo(machine, slot, 7, victim, MARK)).toBe(false);
  });
});
