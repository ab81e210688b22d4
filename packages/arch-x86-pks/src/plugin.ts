import { registerArch } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";
import { createCpu, readArchOptions } from "@kpkeys/core/machine";
import { createPageTableFormat } from "./format.js";
import { createKpkeysArch } from "./kpkeys.js";
import { X86_PGTABLE } from "./pgtable.js";
import { createRegime } from "./regime.js";
import { createSystemRegisters, IA32_PKRS } from "./registers.js";
import { X86_TOOLS } from "./tools.js";

const ID = "x86-pks";

/** What MAXPHYADDR may be: the architecture ends at 52 bits. */
const PHYSICAL_ADDRESS = { standard: 46, least: 36, most: 52 };

/**
 * x86-64 with protection keys for supervisor pages: long-mode paging with four levels, IA32_PKRS and PKRU.
 *
 * Options: `pkeys`, whether the CPUs have PKS (default true); `skipEqualWrites`, whether entering a context leaves out a write
 * that would change nothing (default true); `physicalAddressBits`, MAXPHYADDR, 36 to 52 (default 46); `tlb`, sets, ways, replacement and
 * seed of each CPU's TLB (default 1,024 sets of one way).
 *
 * The machine's `PhysicalMemory` must be there when the first CPU is made, its `Cpus` when the first context is entered.
 */
export const x86Pks: Plugin = {
  id: ID,
  kind: "arch",
  description: "x86-64: IA32_PKRS (PKS), long-mode paging with four levels",
  contract: 1,
  config: [
    {
      symbol: "ARCH_HAS_SUPERVISOR_PKEYS",
      selects: ["ARCH_HAS_KPKEYS", "ARCH_HAS_KPKEYS_HARDENED_PGTABLES"],
    },
  ],
  setup(container, options) {
    const { pkeys, skipEqualWrites, physicalAddressBits, tlb } = readArchOptions(ID, options, PHYSICAL_ADDRESS);
    registerArch(container, {
      pkeyRegister: IA32_PKRS,
      pageTableFormat: createPageTableFormat(physicalAddressBits),
      pgtable: X86_PGTABLE,
      tools: X86_TOOLS,
      createKpkeysArch: (cpus) => createKpkeysArch(cpus, { pkeys, skipEqualWrites }),
      createCpu(place) {
        const systemRegisters = createSystemRegisters(pkeys);
        const regime = createRegime(systemRegisters.state, physicalAddressBits);
        return createCpu({ ...place, regime, systemRegisters, tlb });
      },
    });
  },
};
