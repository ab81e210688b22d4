import { registerArch } from "@kpkeys/core";
import type { Geometry, Plugin, PluginOptions } from "@kpkeys/core/contracts";
import { createCpu, MaskingKpkeysArch, readArchOptions, refuseArchOption } from "@kpkeys/core/machine";
import { createPageTableFormat } from "./format.js";
import { X86_GEOMETRIES } from "./geometry.js";
import { createPgtable } from "./pgtable.js";
import { X86Regime } from "./regime.js";
import { createSystemRegisters, IA32_PKRS } from "./registers.js";
import { createTools } from "./tools.js";

const ID = "x86-pks";

/** MAXPHYADDR in bits; 52 is the architecture's limit. */
const PHYSICAL_ADDRESS = { standard: 46, least: 36, most: 52 };

/** The shape of tables that the option `levels` selects. @throws KpkeysError ERR_SPEC unless it is 4 or 5 */
function geometryOf({ levels = 4 }: PluginOptions): Geometry {
  const geometry = X86_GEOMETRIES.find((each) => each.levels.length === levels);
  if (geometry !== undefined) return geometry;
  throw refuseArchOption(ID, "levels", "4 or 5");
}

/**
 * x86-64 with protection keys for supervisor pages: long-mode paging with four or five levels, IA32_PKRS and PKRU.
 *
 * Options: `levels`, 4 or, with CR4.LA57, 5 levels of tables (default 4); `pkeys`, whether the CPUs have PKS (default true); `skipEqualWrites`, whether entering a context omits a register
 * write that changes nothing (default true); `physicalAddressBits`, MAXPHYADDR, 36 to 52 (default 46); `tlb`, sets, ways, replacement and
 * seed of each CPU's TLB (default 1,024 sets of one way).
 *
 * Register the machine's `PhysicalMemory` before the first CPU is made and its `Cpus` before the first context is entered.
 */
export const x86Pks: Plugin = {
  id: ID,
  kind: "arch",
  description: "x86-64: IA32_PKRS (PKS), long-mode paging",
  contract: 2,
  config: [
    {
      symbol: "ARCH_HAS_SUPERVISOR_PKEYS",
      selects: ["ARCH_HAS_KPKEYS", "ARCH_HAS_KPKEYS_HARDENED_PGTABLES"],
    },
  ],
  setup(container, options) {
    const { pkeys, skipEqualWrites, physicalAddressBits, tlb } = readArchOptions(ID, options, PHYSICAL_ADDRESS, [
      "levels",
    ]);
    const geometry = geometryOf(options);
    registerArch(container, {
      pkeyRegister: IA32_PKRS,
      pageTableFormat: createPageTableFormat(physicalAddressBits, geometry),
      pgtable: createPgtable(geometry),
      tools: createTools(geometry),
      createKpkeysArch: (cpus) => new MaskingKpkeysArch(cpus, { register: IA32_PKRS, pkeys, skipEqualWrites }),
      createCpu(place) {
        const systemRegisters = createSystemRegisters(pkeys, geometry);
        const regime = new X86Regime(systemRegisters.state, physicalAddressBits, geometry);
        return createCpu({ ...place, regime, systemRegisters, tlb });
      },
    });
  },
};
