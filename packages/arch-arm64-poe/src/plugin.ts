import { registerArch } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";
import { createCpu, readArchOptions } from "@kpkeys/core/machine";
import { ARM64_FORMAT } from "./format.js";
import { createKpkeysArch } from "./kpkeys.js";
import { ARM64_PGTABLE } from "./pgtable.js";
import { createRegime } from "./regime.js";
import { createSystemRegisters, POR_EL1 } from "./registers.js";
import { ARM64_TOOLS } from "./tools.js";

const ID = "arm64-poe";

/** How wide output addresses may be: 52 bits would need other descriptors. */
const PHYSICAL_ADDRESS = { standard: 48, least: 36, most: 48 };

/**
 * arm64 with permission overlays: stage 1 of EL1&0 with four levels of 4 KiB tables, indirect permissions, POR_EL1 and POR_EL0.
 *
 * Options: `pkeys`, whether the CPUs have FEAT_S1POE (default true); `skipEqualWrites`, whether entering a context leaves out a
 * write that would change nothing (default true); `physicalAddressBits`, width of output addresses, 36 to 48 (default 48);
 * `tlb`, sets, ways, replacement and seed of each CPU's TLB (default 1,024 sets of one way).
 *
 * The machine's `PhysicalMemory` must be there when the first CPU is made, its `Cpus` when the first context is entered.
 */
export const arm64Poe: Plugin = {
  id: ID,
  kind: "arch",
  description: "arm64: POR_EL1 (FEAT_S1POE), VMSAv8-64 stage 1 with four levels",
  contract: 1,
  config: [
    { symbol: "ARM64" },
    { symbol: "ARM64_POE", selects: ["ARCH_HAS_KPKEYS", "ARCH_HAS_KPKEYS_HARDENED_PGTABLES"] },
  ],
  setup(container, options) {
    const { pkeys, skipEqualWrites, physicalAddressBits, tlb } = readArchOptions(ID, options, PHYSICAL_ADDRESS);
    registerArch(container, {
      pkeyRegister: POR_EL1,
      pageTableFormat: ARM64_FORMAT,
      pgtable: ARM64_PGTABLE,
      tools: ARM64_TOOLS,
      createKpkeysArch: (cpus) => createKpkeysArch(cpus, { pkeys, skipEqualWrites }),
      createCpu(place) {
        const systemRegisters = createSystemRegisters(pkeys);
        const regime = createRegime(systemRegisters.controls, physicalAddressBits);
        return createCpu({ ...place, regime, systemRegisters, tlb });
      },
    });
  },
};
