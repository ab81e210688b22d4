import { registerText } from "@kpkeys/core";
import { attack } from "../../attack.js";
import { leafOf, linearAddress, liveRightsText, scan } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { tablePkey } from "../pgtables.js";
import { mainlinePir } from "../variants.js";

function attackAll({ machine, step }: Scene): Finding {
  step("the scanner walks all tables from the live roots");
  const tables = machine.scan();
  const coverage = scan(machine);
  step("every table page is attacked through every mapping");
  const { tried, blocked, gaps } = attack(machine, tables);
  const { pfn } = tables.find(({ source }) => source === "early")!;
  const leaf = leafOf(machine, linearAddress(machine, pfn));
  return {
    seen: blocked < tried,
    evidence: [
      `${coverage.evidence}; ${blocked} of ${tried} stores blocked`,
      `table page ${pfn} has the leaf ${registerText(leaf.high, leaf.low)} with pkey ${leaf.pkey}; ${liveRightsText(machine, tablePkey(machine))}`,
      ...gaps.map(({ source, level, stores, address }) => `${source} ${level}: ${stores} through, first at ${address}`),
    ].join("\n"),
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
    "PIR_EL1 says what each kind of page allows, and whether an overlay may take rights away: encodings 8 to f are without one. Mainline uses those for kernel pages. Each table page then has its key, POR_EL1 has its value, and neither counts.",
  fix: "The encodings with overlay, for all kinds of pages.",
  detector: "attack",
  red: { variants: [mainlinePir], run: attackAll },
  green: { run: attackAll },
};

/** What the MMU makes of keys. */
export const MMU: readonly Exhibit[] = [overlaysVoid];
