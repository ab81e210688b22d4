import { registerArch } from "@kpkeys/core";
import type { Plugin, PluginOptions } from "@kpkeys/core/contracts";
import { createCpu, MaskingKpkeysArch, readArchOptions, refuseArchOption } from "@kpkeys/core/machine";
import { createFormat } from "./format.js";
import { ARM64_GEOMETRIES } from "./geometry.js";
import type { Arm64Geometry } from "./geometry.js";
import { createPgtable } from "./pgtable.js";
import { Arm64Regime } from "./regime.js";
import { createSystemRegisters, POR_EL1 } from "./registers.js";
import { tcrOf } from "./tcr.js";
import { createTools } from "./tools.js";

const ID = "arm64-poe";

/** The page sizes in bytes. */
const PAGE_SIZES = [4096, 16384, 65536];
/** Least width of output addresses in bits. */
const LEAST_ADDRESS_BITS = 36;

/** The shape of tables that the options `pageSize` and `vaBits` select. @throws KpkeysError ERR_SPEC if Linux has no such shape */
function geometryOf({ pageSize = PAGE_SIZES[0], vaBits = 48 }: PluginOptions): Arm64Geometry {
  const ofSize = ARM64_GEOMETRIES.filter(({ pageShift }) => 2 ** pageShift === pageSize);
  if (ofSize.length === 0) throw refuseArchOption(ID, "pageSize", PAGE_SIZES.join(", "));
  const geometry = ofSize.find(({ addressBits }) => addressBits === vaBits);
  if (geometry !== undefined) return geometry;
  const known = ofSize.map(({ addressBits }) => addressBits).sort((a, b) => a - b);
  throw refuseArchOption(ID, "vaBits", `${known.join(", ")} with pages of ${String(pageSize)} bytes`);
}

/**
 * arm64 with permission overlays: stage 1 of EL1&0, indirect permissions, POR_EL1 and POR_EL0.
 *
 * Options: `pageSize`, bytes of a page, 4096, 16384 or 65536 (default 4096); `vaBits`, width of addresses, 39, 48 or 52 with pages of
 * 4 KiB, 36, 47, 48 or 52 with 16 KiB, 42, 48 or 52 with 64 KiB (default 48); `pkeys`, whether the CPUs have FEAT_S1POE (default
 * true); `skipEqualWrites`, whether entering a context omits a register write that changes nothing (default true);
 * `physicalAddressBits`, width of output addresses, from 36 to the width in descriptors: 52 with `vaBits` 52 or pages of 64 KiB, else 48
 * (default: all); `tlb`, sets, ways, replacement and seed of each CPU's TLB (default 1,024 sets of one way).
 *
 * Register the machine's `PhysicalMemory` before the first CPU is made and its `Cpus` before the first context is entered.
 */
export const arm64Poe: Plugin = {
  id: ID,
  kind: "arch",
  description: "arm64: POR_EL1 (FEAT_S1POE), VMSAv8-64 stage 1",
  contract: 2,
  config: [
    { symbol: "ARM64" },
    { symbol: "ARM64_POE", selects: ["ARCH_HAS_KPKEYS", "ARCH_HAS_KPKEYS_HARDENED_PGTABLES"] },
  ],
  setup(container, options) {
    const geometry = geometryOf(options);
    const { outputBits } = geometry;
    const { pkeys, skipEqualWrites, physicalAddressBits, tlb } = readArchOptions(
      ID,
      options,
      { standard: outputBits, least: LEAST_ADDRESS_BITS, most: outputBits },
      ["pageSize", "vaBits"],
    );
    registerArch(container, {
      pkeyRegister: POR_EL1,
      pageTableFormat: createFormat(geometry),
      pgtable: createPgtable(geometry),
      tools: createTools(geometry),
      createKpkeysArch: (cpus) => new MaskingKpkeysArch(cpus, { register: POR_EL1, pkeys, skipEqualWrites }),
      createCpu(place) {
        const systemRegisters = createSystemRegisters(pkeys, tcrOf(geometry, physicalAddressBits));
        const regime = new Arm64Regime(systemRegisters.controls, physicalAddressBits, geometry);
        return createCpu({ ...place, regime, systemRegisters, tlb });
      },
    });
  },
};
