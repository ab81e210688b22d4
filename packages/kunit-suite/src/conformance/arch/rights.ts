import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import type { ProtectionName, Rights } from "@kpkeys/core/contracts";
import { Bench } from "../bench.js";
import type { ConformanceRule } from "../rule.js";
import { accessText, checkOutcome } from "../text.js";
import { expectedRights, includes } from "./register.js";

const { READ, WRITE, RMW, FETCH } = Access;
const { USER, KERNEL, UACCESS } = Privilege;
const DATA = [READ, WRITE, RMW] as const;

/** The accesses that each protection allows. Kernel accesses to user pages are not listed, because architectures differ. */
const ALLOWED: readonly (readonly [ProtectionName, Privilege, readonly Access[]])[] = [
  ["PAGE_KERNEL", KERNEL, [READ, WRITE, RMW]],
  ["PAGE_KERNEL_RO", KERNEL, [READ]],
  ["PAGE_KERNEL_ROX", KERNEL, [READ, FETCH]],
  ["PAGE_KERNEL_EXEC", KERNEL, [READ, WRITE, RMW, FETCH]],
  ["PAGE_KERNEL", USER, []],
  ["PAGE_KERNEL_RO", USER, []],
  ["PAGE_KERNEL_ROX", USER, []],
  ["PAGE_KERNEL_EXEC", USER, []],
  ["PAGE_READONLY", USER, [READ]],
  ["PAGE_READONLY_EXEC", USER, [READ, FETCH]],
  ["PAGE_SHARED", USER, [READ, WRITE, RMW]],
  ["PAGE_SHARED_EXEC", USER, [READ, WRITE, RMW, FETCH]],
  ["PAGE_READONLY", UACCESS, [READ]],
  ["PAGE_SHARED", UACCESS, [READ, WRITE, RMW]],
];

const base: ConformanceRule = {
  id: "rights/base",
  sentence:
    "with all keys open, each protection allows the accesses that its name in Linux means; others are permission faults",
  source:
    "contract PageTableFormat.protections; Arm ARM, Memory access control; SDM volume 3, Determination of Access Rights",
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { pgtable, cpu } = bench;
    for (const [protection, privilege, allowed] of ALLOWED) {
      const isUser = !protection.startsWith("PAGE_KERNEL");
      const address = isUser ? 0x1000_0000n : pgtable.layout.vmallocStart;
      bench.mapPage(address, protection);
      for (const access of [...DATA, FETCH]) {
        if (privilege === UACCESS && access === FETCH) continue;
        cpu.mmu.invalidateAll();
        const kind = bench.attempt(address, access, privilege);
        const expected = allowed.includes(access) ? undefined : FaultKind.PERMISSION;
        checkOutcome(report, `${protection}, ${accessText(access, privilege)}`, kind, expected);
      }
    }
  },
};

const NEEDS: Readonly<Record<Access, readonly ("r" | "w" | "x")[]>> = {
  [READ]: ["r"],
  [WRITE]: ["w"],
  [RMW]: ["r", "w"],
  [FETCH]: ["x"],
};

const pkey: ConformanceRule = {
  id: "rights/pkey",
  sentence: "a key allows an access to a kernel page if its rights include it; a denied access is a fault of the key",
  source: "contract PkeyRegister; Arm ARM, Stage 1 Overlay permissions; SDM volume 3, Protection Keys",
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { register, keys, cpu } = bench;
    const address = bench.pgtable.layout.vmallocStart;
    for (const key of keys) {
      bench.mapPage(address, "PAGE_KERNEL_EXEC", key);
      cpu.mmu.invalidateAll();
      for (const rights of ["none", "r", "rw", "rx", "rwx"] as const satisfies Rights[]) {
        for (const others of ["none", "rwx"] as const) {
          bench.setRegister(bench.value(keys.map((each) => (each === key ? rights : others))));
          const has = expectedRights(register, key, rights);
          for (const access of [...DATA, FETCH]) {
            const kind = bench.attempt(address, access);
            const expected = NEEDS[access].every((right) => includes(has, right)) ? undefined : FaultKind.PKEY;
            const what = `key ${key} with ${rights}, the other keys with ${others}, ${accessText(access, KERNEL)}`;
            const isExpected = checkOutcome(report, what, kind, expected);
            if (isExpected && kind !== undefined && cpu.fault.pkey !== key)
              report(`${what}: the report has key ${cpu.fault.pkey}`);
          }
        }
      }
    }
  },
};

const baseFirst: ConformanceRule = {
  id: "rights/no-grant",
  sentence: "a key withholds rights and never grants any",
  source: "Arm ARM, Stage 1 Overlay permissions; SDM volume 3, Protection Keys",
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const address = bench.pgtable.layout.vmallocStart;
    for (const key of bench.keys) {
      bench.mapPage(address, "PAGE_KERNEL_RO", key);
      bench.cpu.mmu.invalidateAll();
      bench.setRegister(bench.open);
      for (const access of [WRITE, RMW, FETCH]) {
        const what = `PAGE_KERNEL_RO of key ${key}, open, ${accessText(access, KERNEL)}`;
        checkOutcome(report, what, bench.attempt(address, access), FaultKind.PERMISSION);
      }
    }
  },
};

const user: ConformanceRule = {
  id: "rights/user",
  sentence: "the kernel's key register does not affect user accesses",
  source: "Arm ARM, POR_EL1 and POR_EL0; SDM volume 3, Protection Keys: IA32_PKRS and PKRU",
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    bench.mapPage(0x1000_0000n, "PAGE_SHARED_EXEC");
    for (const rights of ["none", "r", "rwx"] as const) {
      bench.setRegister(bench.value(bench.keys.map(() => rights)));
      for (const access of [...DATA, FETCH]) {
        const what = `all kernel keys with ${rights}, ${accessText(access, USER)}`;
        checkOutcome(report, what, bench.attempt(0x1000_0000n, access, USER), undefined);
      }
    }
  },
};

const state: ConformanceRule = {
  id: "rights/state",
  sentence: "hardware sets the accessed and dirty state of the leaf, and an old or clean leaf denies no access",
  source:
    "contract TranslationRegime.updateLeaf; Arm ARM, Hardware updates to the translation tables; SDM volume 3, Accessed and Dirty Flags",
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { format, memory, cpu } = bench;
    const leaf = bench.leaf(bench.lastLevel, bench.dataPfn, format.protections.PAGE_SHARED);
    const { table, index } = bench.put(0x1000_0000n, bench.lastLevel, format.makeClean(format.makeOld(leaf)));
    for (const [access, dirty] of [
      [READ, false],
      [WRITE, true],
    ] as const) {
      const what = `${accessText(access, USER)} to an old, clean page`;
      checkOutcome(report, what, bench.attempt(0x1000_0000n, access, USER), undefined);
      const { high, low } = memory.readEntry(table, index);
      if (!format.isYoung(high, low)) report(`${accessText(access, USER)} leaves the leaf old`);
      if (format.isDirty(high, low) !== dirty)
        report(`${accessText(access, USER)} leaves the leaf ${dirty ? "clean" : "dirty"}`);
    }
    if (cpu.counters.faults !== 0) report(`${cpu.counters.faults} faults are counted`);
  },
};

const without: ConformanceRule = {
  id: "rights/without-pkeys",
  sentence: "on a CPU without kernel pkeys the key of a leaf has no effect, and kpkeys are not supported",
  source: "arch_supports_kpkeys(); MachineSpec.boot.kpkeys, which sets the option pkeys to false",
  check({ plugin }, report) {
    const bench = new Bench(plugin, { pkeys: false });
    if (bench.arch.supportsKpkeys() || bench.arch.supportsKpkeysEarly())
      report("with pkeys: false kpkeys are supported");
    const address = bench.pgtable.layout.vmallocStart;
    bench.setRegister(bench.value(bench.keys.map(() => "none")));
    for (const key of bench.keys) {
      bench.mapPage(address, "PAGE_KERNEL_EXEC", key);
      bench.cpu.mmu.invalidateAll();
      for (const access of [...DATA, FETCH]) {
        const what = `key ${key}, closed, ${accessText(access, KERNEL)}`;
        checkOutcome(report, what, bench.attempt(address, access), undefined);
      }
    }
  },
};

/** Rules of access rights. */
export const RIGHTS_RULES: readonly ConformanceRule[] = [base, pkey, baseFirst, user, state, without];
