import { registerText } from "@kpkeys/core";
import { attack } from "../../attack.js";
import { leafOf, linearAddress, liveRights, scan } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { tablePkey } from "../pgtables.js";
import { mainlinePir } from "../variants.js";

function probeAllTables({ machine, step }: Scene): Finding {
  step("the scanner walks all tables from the live roots");
  const tables = machine.scan();
  const coverage = scan(machine);
  step("probe stores to every table page, through every mapping");
  const { tried, blocked, gaps } = attack(machine, tables);
  const { pfn } = tables.find(({ source }) => source === "early")!;
  const leaf = leafOf(machine, linearAddress(machine, pfn));
  const { text, ...rights } = liveRights(machine, tablePkey(machine));
  return {
    seen: blocked < tried,
    evidence: [
      `${coverage.evidence}; ${blocked} of ${tried} stores blocked`,
      `table page ${pfn} has the leaf ${registerText(leaf.high, leaf.low)} with pkey ${leaf.pkey}; ${text}`,
      ...gaps.map(
        ({ source, level, stores, address }) => `${source} ${level}: ${stores} stores succeeded, first at ${address}`,
      ),
    ].join("\n"),
    facts: { ...coverage.facts, rights, counts: { tried, blocked } },
  };
}

const overlaysVoid: Exhibit = {
  id: "overlays-void",
  title: "with mainline's PIR_EL1 no overlay applies to kernel pages",
  series: "mainline→v7",
  arches: ["arm64-poe"],
  citation:
    'v7 patch 3, "arm64: mm: Enable overlays for all EL1 indirect permissions"; Arm ARM, base permission encodings of PIR_EL1',
  story:
    "A field of PIR_EL1 defines the base permission of a kind of page, and whether an overlay applies to it: to encodings 8 to f none does. Mainline uses those for kernel pages. The leaf of each table page then has its key and POR_EL1 has its value, but neither has an effect.",
  fix: "PIR_EL1 uses the encodings with overlay for all kinds of pages.",
  detector: "attack",
  red: { variants: [mainlinePir], run: probeAllTables },
  green: { run: probeAllTables },
};

/** Bugs in the configuration of the MMU. */
export const MMU: readonly Exhibit[] = [overlaysVoid];
