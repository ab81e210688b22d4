import { registerArch } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";
import { createCpu, readArchOptions } from "@kpkeys/core/machine";
import { FORMAT } from "./format.js";
import { createKpkeysArch } from "./kpkeys.js";
import { PGTABLE } from "./pgtable.js";
import { createRegime } from "./regime.js";
import { createSystemRegisters, KPR } from "./registers.js";
import { TOOLS } from "./tools.js";

const ID = "odd-arch";

/**
 * An architecture that does not exist, and is as unlike the others as the contracts allow: three keys in a field of five bits,
 * stored inverted; bits that withhold instead of give; a key register in the high word that needs a barrier; three levels of
 * 16 KiB tables below one root.
 */
export const oddArch: Plugin = {
  id: ID,
  kind: "arch",
  description: "an architecture that does not exist: KPR, three levels of 16 KiB tables",
  contract: 1,
  config: [{ symbol: "ODD_ARCH", selects: ["ARCH_HAS_KPKEYS", "ARCH_HAS_KPKEYS_HARDENED_PGTABLES"] }],
  setup(container, options) {
    const width = { standard: 44, least: 44, most: 44 };
    const { pkeys, skipEqualWrites, tlb } = readArchOptions(ID, options, width);
    registerArch(container, {
      pkeyRegister: KPR,
      pageTableFormat: FORMAT,
      pgtable: PGTABLE,
      tools: TOOLS,
      createKpkeysArch: (cpus) => createKpkeysArch(cpus, pkeys, skipEqualWrites),
      createCpu(place) {
        const systemRegisters = createSystemRegisters(pkeys);
        const regime = createRegime(systemRegisters.controls);
        return createCpu({ ...place, regime, systemRegisters, tlb });
      },
    });
  },
};
