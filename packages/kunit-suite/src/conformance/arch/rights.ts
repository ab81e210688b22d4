import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import type { ProtectionName, Rights } from "@kpkeys/core/contracts";
import { createBench } from "../bench.js";
import type { ConformanceRule } from "../rule.js";
import { accessText, outcomeText } from "../text.js";
import { expectedRights, includes } from "./register.js";

const { READ, WRITE, RMW, FETCH } = Access;
const { USER, KERNEL, UACCESS } = Privilege;
const DATA = [READ, WRITE, RMW] as const;

/** What each protection allows to whom; what is not said of a kernel access to a user page is the architecture's own. */
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
    "with all keys open each protection allows what Linux's name says, and denies the rest as a matter of rights",
  source:
    "contract PageTableFormat.protections; Arm ARM, Memory access control; SDM volume 3, Determination of Access Rights",
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { format, pgtable, dataPfn, cpu } = bench;
    const level = format.geometry.levels.length - 1;
    for (const [protection, privilege, allowed] of ALLOWED) {
      const isUser = !protection.startsWith("PAGE_KERNEL");
      const address = isUser ? 0x1000_0000n : pgtable.layout.vmallocStart;
      bench.put(address, level, bench.leaf(level, dataPfn, format.protections[protection]));
      for (const access of [...DATA, FETCH]) {
        if (privilege === UACCESS && access === FETCH) continue;
        cpu.mmu.invalidateAll();
        const kind = bench.attempt(address, access, privilege);
        const expected = allowed.includes(access) ? undefined : FaultKind.PERMISSION;
        if (kind !== expected) {
          report(
            `${protection}, ${accessText(access, privilege)}: ${outcomeText(kind)}; expected: ${outcomeText(expected)}`,
          );
        }
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
  sentence:
    "a kernel page can be accessed as its key allows, by each key apart; what the key denies is denied by the key",
  source: "contract PkeyRegister; Arm ARM, Stage 1 Overlay permissions; SDM volume 3, Protection Keys",
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { format, pgtable, register, dataPfn, cpu } = bench;
    const level = format.geometry.levels.length - 1;
    const address = pgtable.layout.vmallocStart;
    const keys = Array.from({ length: register.keys }, (_, key) => key);
    for (const key of keys) {
      bench.put(address, level, bench.leaf(level, dataPfn, format.protections.PAGE_KERNEL_EXEC, key));
      cpu.mmu.invalidateAll();
      for (const rights of ["none", "r", "rw", "rx", "rwx"] as const satisfies Rights[]) {
        for (const others of ["none", "rwx"] as const) {
          bench.setRegister(bench.value(keys.map((each) => (each === key ? rights : others))));
          const has = expectedRights(register, key, rights);
          for (const access of [...DATA, FETCH]) {
            const kind = bench.attempt(address, access);
            const expected = NEEDS[access].every((right) => includes(has, right)) ? undefined : FaultKind.PKEY;
            const what = `key ${key} with ${rights} among keys with ${others}, ${accessText(access, KERNEL)}`;
            if (kind !== expected) report(`${what}: ${outcomeText(kind)}; expected: ${outcomeText(expected)}`);
            else if (kind !== undefined && cpu.fault.pkey !== key)
              report(`${what}: the report names key ${cpu.fault.pkey}`);
          }
        }
      }
    }
  },
};

const baseFirst: ConformanceRule = {
  id: "rights/no-grant",
  sentence: "a key takes rights away and never gives any",
  source: "Arm ARM, Stage 1 Overlay permissions; SDM volume 3, Protection Keys",
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { format, pgtable, register, dataPfn, cpu } = bench;
    const level = format.geometry.levels.length - 1;
    const address = pgtable.layout.vmallocStart;
    for (let key = 0; key < register.keys; key++) {
      bench.put(address, level, bench.leaf(level, dataPfn, format.protections.PAGE_KERNEL_RO, key));
      cpu.mmu.invalidateAll();
      bench.setRegister(bench.open);
      for (const access of [WRITE, RMW, FETCH]) {
        const kind = bench.attempt(address, access);
        if (kind !== FaultKind.PERMISSION) {
          report(
            `PAGE_KERNEL_RO of key ${key}, open, ${accessText(access, KERNEL)}: ${outcomeText(kind)}; expected: a fault of kind permission`,
          );
        }
      }
    }
  },
};

const user: ConformanceRule = {
  id: "rights/user",
  sentence: "the kernel's key register decides no access of the user",
  source: "Arm ARM, POR_EL1 and POR_EL0; SDM volume 3, Protection Keys: IA32_PKRS and PKRU",
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { format, register, dataPfn } = bench;
    const level = format.geometry.levels.length - 1;
    bench.put(0x1000_0000n, level, bench.leaf(level, dataPfn, format.protections.PAGE_SHARED_EXEC));
    for (const rights of ["none", "r", "rwx"] as const) {
      bench.setRegister(bench.value(Array.from({ length: register.keys }, () => rights)));
      for (const access of [...DATA, FETCH]) {
        const kind = bench.attempt(0x1000_0000n, access, USER);
        if (kind !== undefined)
          report(`all kernel keys with ${rights}, ${accessText(access, USER)}: ${outcomeText(kind)}`);
      }
    }
  },
};

const state: ConformanceRule = {
  id: "rights/state",
  sentence:
    "hardware notes what was accessed and written, in the leaf, and lets neither stop an access that the rights allow",
  source:
    "contract TranslationRegime.updateLeaf; Arm ARM, Hardware updates to the translation tables; SDM volume 3, Accessed and Dirty Flags",
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { format, memory, dataPfn, cpu } = bench;
    const level = format.geometry.levels.length - 1;
    const entry = format.makeClean(format.makeOld(bench.leaf(level, dataPfn, format.protections.PAGE_SHARED)));
    const { table, index } = bench.put(0x1000_0000n, level, entry);
    for (const [access, dirty] of [
      [READ, false],
      [WRITE, true],
    ] as const) {
      const kind = bench.attempt(0x1000_0000n, access, USER);
      if (kind !== undefined) report(`${accessText(access, USER)} to an old, clean page: ${outcomeText(kind)}`);
      const { high, low } = memory.read(table, index);
      if (!format.isYoung(high, low)) report(`${accessText(access, USER)} leaves the leaf old`);
      if (format.isDirty(high, low) !== dirty)
        report(`${accessText(access, USER)} leaves the leaf ${dirty ? "clean" : "dirty"}`);
    }
    if (cpu.counters.faults !== 0) report(`${cpu.counters.faults} faults are counted`);
  },
};

const without: ConformanceRule = {
  id: "rights/without-pkeys",
  sentence: "on a CPU without kernel pkeys the key of a leaf decides nothing, and kpkeys are not supported",
  source: "arch_supports_kpkeys(); MachineSpec.boot.kpkeys, which sets the option pkeys to false",
  check({ plugin }, report) {
    const bench = createBench(plugin, { pkeys: false });
    const { format, pgtable, register, dataPfn, cpu } = bench;
    if (bench.arch.supportsKpkeys() || bench.arch.supportsKpkeysEarly())
      report("with pkeys: false kpkeys are supported");
    const level = format.geometry.levels.length - 1;
    const address = pgtable.layout.vmallocStart;
    bench.setRegister(bench.value(Array.from({ length: register.keys }, () => "none" as const)));
    for (let key = 0; key < register.keys; key++) {
      bench.put(address, level, bench.leaf(level, dataPfn, format.protections.PAGE_KERNEL_EXEC, key));
      cpu.mmu.invalidateAll();
      for (const access of [...DATA, FETCH]) {
        const kind = bench.attempt(address, access);
        if (kind !== undefined) report(`key ${key}, closed, ${accessText(access, KERNEL)}: ${outcomeText(kind)}`);
      }
    }
  },
};

/** Rules of access rights. */
export const RIGHTS_RULES: readonly ConformanceRule[] = [base, pkey, baseFirst, user, state, without];
