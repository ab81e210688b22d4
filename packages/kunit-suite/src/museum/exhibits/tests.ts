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
import { takePageInBlock } from "../setup.js";

/** What a test wrote, held against the table pages that the scan finds. */
function judge(machine: Machine, targets: readonly Words[], verdicts: readonly string[]): Finding {
  const tables = new Set(machine.scan().map(({ pfn }) => pfn));
  const linearMap = machine.get(LinearMap);
  const pages = targets.map((target) => linearMap.pfnOf(pageOf(target, machine.memory.pageShift)));
  const isTable = (pfn: Pfn | undefined): boolean => pfn !== undefined && tables.has(pfn);
  const lines = targets.map(({ high, low }, i) => {
    const pfn = pages[i];
    const place = pfn === undefined ? "is no address of RAM" : `is in page ${pfn}`;
    return `${addressText(high, low)} ${place}, ${isTable(pfn) ? "a table page" : `none of the ${tables.size} table pages`}`;
  });
  return {
    seen: !pages.every(isTable),
    evidence: [...verdicts, ...lines].join("\n"),
  };
}

/** `write_linear_map_pte` of v3 and v4: follows the entry at the pmd level whatever it is, and takes what it finds for a pte. */
function writeLinearMapPte({ machine, step }: Scene): Finding {
  const format = machine.get(PageTableFormat);
  const lastLevel = format.geometry.levels.length - 1;
  const address = linearAddress(machine, takePageInBlock(machine));
  const leaf = leafOf(machine, address);
  step(
    `the test takes ${addressText(address.high, address.low)}, which ${registerText(leaf.high, leaf.low)} maps at level ${leaf.level}`,
  );
  const base = linearAddress(machine, format.pfnOf(leaf.high, leaf.low));
  const target = { high: base.high, low: base.low | (format.index(toLevel(lastLevel), address.high, address.low) * 8) };
  step(`it writes the word at ${addressText(target.high, target.low)}`);
  const cpu = machine.cpus.current;
  cpu.load64(target.high, target.low);
  const value = toBytes({ high: cpu.valueHigh, low: cpu.valueLow });
  const errno = machine.get(Exceptions).copyToKernelNofault(target, value);
  const verdict = errno === Errno.EFAULT ? "the test passes" : "Direct pte write wasn't prevented";
  return judge(machine, [target], [`write_linear_map_pte: ${verdict}`]);
}

/** The case that took its place, as the suite of this package has it; on an address in a block the walk finds no table. */
function writeDirectMapPgtables({ machine, step }: Scene): Finding {
  const pfn = takePageInBlock(machine);
  const address = linearAddress(machine, pfn);
  const tables = machine.get(PageTables);
  const lastLevel = toLevel(machine.levelNames.length - 1);
  const pte = tables.entryAt(tables.root, lastLevel, machine.get(LinearMap).pageOf(pfn));
  machine.get(PageAllocator).free(pfn, 0);
  step("the suite's case takes a page of a block, makes certain that a pte maps it, and writes each level's entry");
  const suite = hardenedPgtables({ cases: ["write_direct_map_pgtables"] });
  const [result] = runSuites(machine, [suite])[0]!.cases;
  const targets = result!.log.flatMap((line) => [...line.matchAll(/ at 0x([0-9a-f]{8})([0-9a-f]{8})$/g)]);
  const found = judge(
    machine,
    targets.map(([, high, low]) => ({ high: Number.parseInt(high!, 16) | 0, low: Number.parseInt(low!, 16) | 0 })),
    [
      `${result!.name}: ${result!.status}`,
      `the pte table of ${addressText(address.high, address.low)}: ${pte === undefined ? "none, a block maps it" : `page ${pte.table}`}`,
    ],
  );
  return { ...found, seen: found.seen || result!.status !== "passed" || targets.length === 0 || pte !== undefined };
}

const testTargetBlockMapped: Exhibit = {
  id: "test-target-block-mapped",
  title: "a test took a block for a table, and wrote into what it maps",
  series: "v4→v5",
  citation: "RFC v5 changelog, patch 17: ensure that the target kernel address is actually PTE-mapped",
  story:
    "The test walks to the pte of a kernel address and writes it. What a PMD maps as a block has no pte: the walk went on into the block's own memory and the test judged a word of it. In text, which is read-only, it passed; elsewhere it said that a write was not prevented.",
  fix: "The helper finds no pte below a leaf PMD and the test fails; since v6 the test makes certain that its page is mapped by a pte.",
  detector: "target check",
  policies: { kernel: { linearMap: "block" }, pgtables: { tagging: "block-allocator" } },
  red: { run: writeLinearMapPte },
  green: { run: writeDirectMapPgtables },
};

/** What the tests themselves had wrong. */
export const TESTS: readonly Exhibit[] = [testTargetBlockMapped];
