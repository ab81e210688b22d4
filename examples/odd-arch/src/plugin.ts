import { registerArch } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";
import { createCpu, MaskingKpkeysArch, readArchOptions } from "@kpkeys/core/machine";
import { FORMAT } from "./format.js";
import { PGTABLE } from "./pgtable.js";
import { createRegime } from "./regime.js";
import { AMR, createSystemRegisters } from "./registers.js";
import { TOOLS } from "./tools.js";

const ID = "odd-arch";

/** Numbers of the keys. PGTABLES and CRED are swapped compared with the bundled architectures. */
const PKEY_NUMBERS = { DEFAULT: 0, PGTABLES: 2, CRED: 1 };

/**
 * An architecture that does not exist. It is modelled on POWER where POWER differs from the bundled ones: big-endian entries of a radix
 * tree with the type in the high word, 32 keys, and a register for data accesses (AMR) and another one for fetches (IAMR), whose writes
 * need a barrier. Its geometry is its own: one root and three levels of 16 KiB tables.
 */
export const oddArch: Plugin = {
  id: ID,
  kind: "arch",
  description: "an architecture modelled on POWER: AMR and IAMR, big-endian radix tables of 16 KiB",
  contract: 2,
  config: [{ symbol: "ODD_ARCH", selects: ["ARCH_HAS_KPKEYS", "ARCH_HAS_KPKEYS_HARDENED_PGTABLES"] }],
  setup(container, options) {
    const width = { standard: 44, least: 44, most: 44 };
    const { pkeys, skipEqualWrites, tlb } = readArchOptions(ID, options, width);
    registerArch(container, {
      pkeyRegister: AMR,
      pageTableFormat: FORMAT,
      pgtable: PGTABLE,
      tools: TOOLS,
      createKpkeysArch: (cpus) =>
        new MaskingKpkeysArch(cpus, { register: AMR, pkeys, skipEqualWrites, pkeyNumbers: PKEY_NUMBERS }),
      createCpu(place) {
        const systemRegisters = createSystemRegisters(pkeys);
        const regime = createRegime(systemRegisters.controls);
        return createCpu({ ...place, regime, systemRegisters, tlb });
      },
    });
  },
};
