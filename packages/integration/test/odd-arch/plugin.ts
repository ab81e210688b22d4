import { lazily, provide, resolve } from "@kpkeys/core";
import {
  ArchTools,
  CONTRACT_VERSION,
  CpuFactory,
  Cpus,
  KpkeysArch,
  Observer,
  PageTableFormat,
  PgtableArch,
  PhysicalMemory,
  PkeyRegister,
} from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import { createCpu, readArchOptions } from "@kpkeys/core/machine";
import { ODD_FORMAT } from "./format.js";
import { createRegime } from "./regime.js";
import { createSystemRegisters, KPR } from "./registers.js";
import { ODD_TOOLS } from "./tools.js";

const ID = "odd-kpr";

/** Where the kernel puts things, and how it writes tables. */
const ODD_PGTABLE: PgtableArch = {
  layout: {
    linearMap: 0xffffc00000000000n,
    image: 0xffffffff82000000n,
    vmallocStart: 0xffffe00000000000n,
    vmallocEnd: 0xffffe80000000000n,
    vmemmap: 0xfffff00000000000n,
    structPageSize: 64,
    fixmap: 0xffffffffff000000n,
    userEnd: 1n << 46n,
    ramBase: 0x40000000n,
    imageOffset: 0x2000000,
  },
  staticTables: [
    { symbol: "odd_pg_dir", role: "root", pages: 1, protection: "pkey" },
    { symbol: "odd_image_tables", role: "image", pages: 6, protection: "pkey" },
    { symbol: "odd_fixmap_tables", role: "fixmap", pages: 2, protection: "pkey" },
  ],
  rootTableAddress: "image",
  earlyTableAddress: "linear",
  lazyLeaveElidesBarrier: true,
  tlbBroadcast: true,
  linearMapProtection: "PAGE_KERNEL",
  barrierAfter: (setter) => setter.startsWith("set_"),
};

/** The numbers of the keys, PGTABLES and CRED the other way round. */
const PKEY_NUMBERS = { DEFAULT: 0, PGTABLES: 2, CRED: 1 };

function createKpkeysArch(findCpus: () => Cpus, pkeys: boolean, skipEqualWrites: boolean): KpkeysArch {
  const counters = { registerWrites: 0, barriers: 0 };
  return {
    supportsKpkeys: () => pkeys,
    supportsKpkeysEarly: () => pkeys,
    pkeyNumbers: PKEY_NUMBERS,
    counters,
    enterContext({ clear, set }, saved, slot) {
      const cpu = findCpus().current;
      const { pkeyRegisterHigh: oldHigh, pkeyRegisterLow: oldLow } = cpu;
      const high = (oldHigh & ~clear.high) | set.high;
      if (skipEqualWrites && high === oldHigh) return false;
      saved[slot * 2] = oldHigh;
      saved[slot * 2 + 1] = oldLow;
      cpu.writePkeyRegister(high, oldLow);
      cpu.synchronise();
      counters.registerWrites++;
      counters.barriers++;
      return true;
    },
    leaveContext(saved, slot, barrierFollows) {
      const cpu = findCpus().current;
      cpu.writePkeyRegister(saved[slot * 2]!, saved[slot * 2 + 1]!);
      counters.registerWrites++;
      if (barrierFollows) return;
      cpu.synchronise();
      counters.barriers++;
    },
  };
}

/**
 * An architecture that does not exist, and is as unlike the others as the contracts allow: three keys in a field of five bits,
 * stored inverted; bits that withhold instead of give; a key register in the high word that needs a barrier; three levels of
 * 16 KiB tables below one root.
 */
export const oddArch: Plugin = {
  id: ID,
  kind: "arch",
  description: "an architecture that does not exist: KPR, three levels of 16 KiB tables",
  contract: CONTRACT_VERSION,
  config: [{ symbol: "ODD_KPR", selects: ["ARCH_HAS_KPKEYS", "ARCH_HAS_KPKEYS_HARDENED_PGTABLES"] }],
  setup(container, options) {
    const width = { standard: 44, least: 44, most: 44 };
    const { pkeys, skipEqualWrites, tlb } = readArchOptions(ID, options, width);
    provide(container, PkeyRegister, KPR);
    provide(container, PageTableFormat, ODD_FORMAT);
    provide(container, PgtableArch, ODD_PGTABLE);
    provide(container, KpkeysArch, createKpkeysArch(lazily(container, Cpus), pkeys, skipEqualWrites));
    provide(container, ArchTools, ODD_TOOLS);
    provide(container, CpuFactory, {
      create(id) {
        const systemRegisters = createSystemRegisters(pkeys);
        return createCpu({
          id,
          regime: createRegime(systemRegisters.controls),
          memory: resolve(container, PhysicalMemory),
          systemRegisters,
          tlb,
          observer: container.isRegistered(Observer, true) ? resolve(container, Observer) : undefined,
        });
      },
    });
  },
};
