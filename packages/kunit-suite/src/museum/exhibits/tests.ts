import { addressText, registerText, toBytes } from "@kpkeys/core";
import {
  Errno,
  Exceptions,
  LinearMap,
  PageAllocator,
  pageOf,
  PageTableFormat,
  PageTables,
  toLevel,
} from "@kpkeys/core/contracts";
import type { Pfn, Words } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { runSuites } from "../../runner.js";
import { hardenedPgtables } from "../../suites/hardened-pgtables.js";
import { leafOf, linearAddress } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { allocPageInBlock } from "../setup.js";

/** Checks that each word that a test wrote is in a table page that the scan finds. */
function checkTargets(
  machine: Machine,
  targets: readonly Words[],
  verdicts: readonly string[],
  errnos: readonly number[] = [],
): Finding {
  const tables = new Set(machine.scan().map(({ pfn }) => pfn));
  const linearMap = machine.get(LinearMap);
  const pages = targets.map((target) => linearMap.pfnOf(pageOf(target, machine.memory.pageShift)));
  const isTable = (pfn: Pfn | undefined): boolean => pfn !== undefined && tables.has(pfn);
  const lines = targets.map(({ high, low }, i) => {
    const pfn = pages[i];
    const place = pfn === undefined ? "is not in RAM" : `is in page ${pfn}`;
    return `${addressText(high, low)} ${place}, ${isTable(pfn) ? "a table page" : `not one of the ${tables.size} table pages`}`;
  });
  return {
    seen: !pages.every(isTable),
    evidence: [...verdicts, ...lines].join("\n"),
    facts: { errnos, counts: { targets: targets.length, tables: pages.filter(isTable).length } },
  };
}

/** `write_linear_map_pte` of v3 and v4: follows the entry at the pmd level without a check of its type, and uses the word there as a pte. */
function writeLinearMapPte({ machine, step }: Scene): Finding {
  const format = machine.get(PageTableFormat);
  const lastLevel = format.geometry.levels.length - 1;
  const address = linearAddress(machine, allocPageInBlock(machine));
  const leaf = leafOf(machine, address);
  step(
    `the test uses ${addressText(address.high, address.low)}, which ${registerText(leaf.high, leaf.low)} maps at level ${leaf.level}`,
  );
  const base = linearAddress(machine, format.pfnOf(leaf.high, leaf.low));
  const target = { high: base.high, low: base.low | (format.index(toLevel(lastLevel), address.high, address.low) * 8) };
  step(`it writes the word at ${addressText(target.high, target.low)}`);
  const cpu = machine.cpus.current;
  cpu.load64(target.high, target.low);
  const value = toBytes({ high: cpu.valueHigh, low: cpu.valueLow }, machine.memory.byteOrder);
  const errno = machine.get(Exceptions).copyToKernelNofault(target, value);
  const verdict = errno === Errno.EFAULT ? "the test passes" : "Direct pte write wasn't prevented";
  return checkTargets(machine, [target], [`write_linear_map_pte: ${verdict}`], [errno]);
}

/** `write_direct_map_pgtables`, which replaced it, of this package's suite. The walk finds no table for an address in a block. */
function writeDirectMapPgtables({ machine, step }: Scene): Finding {
  const pfn = allocPageInBlock(machine);
  const address = linearAddress(machine, pfn);
  const tables = machine.get(PageTables);
  const lastLevel = toLevel(machine.levelNames.length - 1);
  const pte = tables.entryAt(tables.root, lastLevel, machine.get(LinearMap).pageOf(pfn));
  machine.get(PageAllocator).free(pfn, 0);
  step("the suite's case allocates a page of a block, makes a pte map it, and writes the entry of each level");
  const suite = hardenedPgtables({ cases: ["write_direct_map_pgtables"] });
  const [result] = runSuites(machine, [suite])[0]!.cases;
  const targets = result!.log.flatMap((line) => [...line.matchAll(/ at 0x([0-9a-f]{8})([0-9a-f]{8})$/g)]);
  const found = checkTargets(
    machine,
    targets.map(([, high, low]) => ({ high: Number.parseInt(high!, 16) | 0, low: Number.parseInt(low!, 16) | 0 })),
    [
      `${result!.name}: ${result!.status}`,
      `the pte table of ${addressText(address.high, address.low)}: ${pte === undefined ? "none, because a block maps it" : `page ${pte.table}`}`,
    ],
  );
  return { ...found, seen: found.seen || result!.status !== "passed" || targets.length === 0 || pte !== undefined };
}

const testTargetBlockMapped: Exhibit = {
  id: "test-target-block-mapped",
  title: "a test used a block as a table and wrote to its memory",
  series: "v4→v5",
  citation: "RFC v5 changelog, patch 17: ensure that the target kernel address is actually PTE-mapped",
  story:
    "The test walks to the pte of a kernel address and writes it. Memory that a PMD maps as a block has no pte: the walk continued into the block's own memory, and the test wrote a word of it. In text, which is read-only, the test passed; elsewhere it reported that a write was not prevented.",
  fix: "The helper finds no pte below a leaf PMD, and the test fails. Since v6 the test makes a pte map its page.",
  detector: "target check",
  policies: { kernel: { linearMap: "block" }, pgtables: { tagging: "block-allocator" } },
  red: { run: writeLinearMapPte },
  green: { run: writeDirectMapPgtables },
};

/** Bugs in the tests themselves. */
export const TESTS: readonly Exhibit[] = [testTargetBlockMapped];
