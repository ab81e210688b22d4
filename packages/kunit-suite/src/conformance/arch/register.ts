import { isSamePkeyValue } from "@kpkeys/core";
import { Access, FaultKind } from "@kpkeys/core/contracts";
import type { PkeyRegister, PkeyValue, Rights, Words } from "@kpkeys/core/contracts";
import { Bench } from "../bench.js";
import type { ConformanceRule, ReportFinding } from "../rule.js";
import { checkOutcome, valueText } from "../text.js";

const ALL_RIGHTS: readonly Rights[] = ["none", "r", "rw", "rx", "rwx"];
const SOURCE = "contract PkeyRegister; Arm ARM, POR_EL1; SDM volume 3, Protection Keys";

/** Whether rights, as `rightsOf` prints them, include a right. */
export const includes = (rights: string, right: "r" | "w" | "x"): boolean =>
  rights !== "none" && rights.includes(right);

/** Whether a register can withhold execution from a key with read-write. */
function withholdsFetch(register: PkeyRegister, key: number): boolean {
  const { high, low, fetch } = register.field(key, "rw");
  return !includes(register.rightsOf(high, low, key, fetch), "x");
}

/** The rights that a field must decode to: the encoded ones, with execution if the register cannot withhold it. */
export function expectedRights(register: PkeyRegister, key: number, rights: Rights): string {
  const fetch = includes(rights, "x") || !withholdsFetch(register, key);
  const text = `${includes(rights, "r") ? "r" : ""}${includes(rights, "w") ? "w" : ""}${fetch ? "x" : ""}`;
  return text === "" ? "none" : text;
}

const keys: ConformanceRule = {
  id: "register/keys",
  sentence: "the register has a name and at least two keys, and a page can have each key",
  source: SOURCE,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { register, format, pageKeys } = bench;
    if (register.name.trim() === "") report("the register has no name");
    if (!Number.isInteger(register.keys) || register.keys < 2)
      report(`the register has ${register.keys} keys; expected at least 2`);
    for (const key of bench.keys) {
      const { high, low } = bench.leaf(bench.lastLevel, bench.dataPfn, format.protections.PAGE_KERNEL, key);
      const named = pageKeys.ofLeaf(high, low, 0);
      if (named !== key) report(`a page that was given key ${key} has key ${named}`);
    }
  },
};

const rights: ConformanceRule = {
  id: "register/rights",
  sentence: "the rights in a key's field decode to the encoded ones, for any rights of the other keys",
  source: SOURCE,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { register, keys: allKeys } = bench;
    for (const key of allKeys) {
      for (const wanted of ALL_RIGHTS) {
        for (const others of ALL_RIGHTS) {
          const { high, low, fetch } = bench.value(allKeys.map((each) => (each === key ? wanted : others)));
          const found = register.rightsOf(high, low, key, fetch);
          const expected = expectedRights(register, key, wanted);
          if (found !== expected) {
            report(`key ${key} with ${wanted}, the other keys with ${others}: ${found}; expected ${expected}`);
          }
        }
      }
    }
  },
};

const isolation: ConformanceRule = {
  id: "register/isolation",
  sentence: "the fields of keys do not overlap, and the rights of a key are inside its field",
  source: SOURCE,
  check({ plugin }, report) {
    const { register, keys: allKeys } = new Bench(plugin);
    const { name, fetchName } = register;
    checkFields(register, allKeys, name, (value) => value, report);
    if (fetchName !== undefined) checkFields(register, allKeys, fetchName, ({ fetch }) => fetch, report);
  },
};

/** Checks the fields of one register. @param part - the part of a value that is in the register; a layout may lack it */
function checkFields(
  register: PkeyRegister,
  keys: readonly number[],
  name: string,
  part: (value: PkeyValue) => Words | undefined,
  report: ReportFinding,
): void {
  const used = { high: 0, low: 0 };
  for (const key of keys) {
    const mask = part(register.fieldMask(key)) ?? { high: 0, low: 0 };
    if (((mask.high & used.high) | (mask.low & used.low)) !== 0) {
      report(`the field of key ${key} in ${name}, ${valueText(mask)}, overlaps that of a lower key`);
    }
    if ((mask.high | mask.low) === 0) report(`key ${key} has no field in ${name}`);
    for (const wanted of ALL_RIGHTS) {
      const field = part(register.field(key, wanted)) ?? { high: 0, low: 0 };
      if (((field.high & ~mask.high) | (field.low & ~mask.low)) !== 0) {
        report(`${wanted} of key ${key} in ${name}, ${valueText(field)}, is outside its field ${valueText(mask)}`);
      }
    }
    used.high |= mask.high;
    used.low |= mask.low;
  }
}

const twoRegisters: ConformanceRule = {
  id: "register/fetches",
  sentence:
    "the register for fetches, if there is one, decides fetches alone, and is written, synchronised, counted and reset like the key register",
  source: "contract PkeyRegister.fetchName; POWER: AMR and IAMR, arch/powerpc/mm/book3s64/pkeys.c",
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { cpu, register, managed, keys: allKeys } = bench;
    if ((register.fetchName !== undefined) !== (cpu.fetchRegister !== undefined)) {
      report(`the layout has ${register.fetchName === undefined ? "one register" : "two registers"}; the CPU does not`);
      return;
    }
    if (register.fetchName === undefined) return;
    const address = bench.pgtable.layout.vmallocStart;
    bench.mapPage(address, "PAGE_KERNEL_EXEC", managed);
    const only = (rights: Rights): PkeyValue => bench.value(allKeys.map((key) => (key === managed ? rights : "rwx")));
    const { open } = bench;
    const expectAt = (moment: string, data: FaultKind | undefined, fetch: FaultKind | undefined): void => {
      checkOutcome(report, `a write ${moment}`, bench.attempt(address, Access.WRITE), data);
      checkOutcome(report, `a fetch ${moment}`, bench.attempt(address, Access.FETCH), fetch);
    };
    const before = { ...cpu.counters };
    cpu.writeFetchRegister(only("none").fetch!.high, only("none").fetch!.low);
    const waits = register.synchronisation === "barrier";
    expectAt(`right after a write of ${register.fetchName}`, undefined, waits ? undefined : FaultKind.PKEY);
    cpu.synchronise();
    expectAt(`with execution denied in ${register.fetchName}`, undefined, FaultKind.PKEY);
    const writes = cpu.counters.pkeyRegisterWrites - before.pkeyRegisterWrites;
    const barriers = cpu.counters.barriers - before.barriers;
    if (writes !== 1 || barriers !== (waits ? 1 : 0))
      report(`one write is counted as ${writes}, with ${barriers} barriers`);
    bench.setRegister({ ...only("none"), fetch: open.fetch! });
    expectAt(`with data accesses denied in ${register.name}`, FaultKind.PKEY, undefined);
    cpu.reset();
    const reset = { ...bench.cpus.all[1]!.fetchRegister! };
    if (!isSamePkeyValue(cpu.fetchRegister!, reset)) report(`after reset ${register.fetchName} keeps its value`);
  },
};

const initial: ConformanceRule = {
  id: "register/initial",
  sentence: "key 0 is read-write after reset and in the initial value, and unused keys have no access",
  source: 'contracts PkeyRegister and Kpkeys.initialValue; patch "arm64: Implement asm/kpkeys.h using POE"',
  check({ plugin }, report) {
    const { register, keys: allKeys, cpus, kpkeys, managed } = new Bench(plugin);
    const cpu = cpus.all[1]!;
    cpu.reset();
    const reset = register.rightsOf(cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow, 0, cpu.fetchRegister);
    if (!includes(reset, "r") || !includes(reset, "w"))
      report(`after reset key 0 has ${reset}; expected read-write, which the kernel needs to start`);

    if (register.unused !== "none") report(`unused keys have ${register.unused}; expected none`);
    const { high, low, fetch } = kpkeys.initialValue();
    for (const key of allKeys) {
      const found = register.rightsOf(high, low, key, fetch);
      const expected = expectedRights(register, key, key === 0 ? "rw" : key === managed ? "r" : "none");
      const [data, expectedData] = [found, expected].map((text) => text.replace("x", ""));
      if (data !== expectedData && !(data === "none" && expectedData === "")) {
        report(`in the initial value key ${key} has ${found}; expected ${expected}`);
      }
    }
  },
};

const synchronisation: ConformanceRule = {
  id: "register/synchronisation",
  sentence:
    "a write of the register takes effect at once, or after the next barrier, as the layout of the register defines",
  source: "contract PkeyRegister.synchronisation; Arm ARM, context synchronisation; SDM volume 2, WRMSR",
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { cpu, register, open } = bench;
    const address = bench.pgtable.layout.vmallocStart;
    bench.mapPage(address, "PAGE_KERNEL", bench.managed);
    const closed = bench.value(["rwx"]);
    const waits = register.synchronisation === "barrier";
    const expectAfter = (moment: string, expected: FaultKind | undefined): void => {
      checkOutcome(report, `a read ${moment}`, bench.attempt(address, Access.READ), expected);
    };

    expectAfter("before the write", undefined);
    cpu.writePkeyRegister(closed.high, closed.low);
    expectAfter("right after the write that closes the key", waits ? undefined : FaultKind.PKEY);
    cpu.synchronise();
    expectAfter("after the write and a barrier", FaultKind.PKEY);
    cpu.writePkeyRegister(open.high, open.low);
    expectAfter("right after the write that opens the key", waits ? FaultKind.PKEY : undefined);
    cpu.synchroniseByException();
    expectAfter("after the write and an exception", undefined);
    const unsynchronised = cpu.counters.unsynchronised;
    if (waits !== unsynchronised > 0) {
      report(`${unsynchronised} accesses are counted as unsynchronised; expected ${waits ? "more than 0" : "0"}`);
    }
  },
};

const counted: ConformanceRule = {
  id: "register/counted",
  sentence: "every write of the register is counted, and every barrier if writes need one",
  source: "contract CpuCounters",
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { cpu, register, open } = bench;
    const before = { ...cpu.counters };
    for (let i = 0; i < 3; i++) {
      cpu.writePkeyRegister(open.high, open.low);
      cpu.synchronise();
    }
    const writes = cpu.counters.pkeyRegisterWrites - before.pkeyRegisterWrites;
    const barriers = cpu.counters.barriers - before.barriers;
    const expected = register.synchronisation === "barrier" ? 3 : 0;
    if (writes !== 3) report(`3 writes of the register are counted as ${writes}`);
    if (barriers !== expected)
      report(`3 calls of synchronise() are counted as ${barriers} barriers; expected ${expected}`);
    if (cpu.pkeyRegisterHigh !== open.high || cpu.pkeyRegisterLow !== open.low) {
      report(`the register is ${valueText(bench.registerNow())}; expected the written value ${valueText(open)}`);
    }
  },
};

/** Rules of the key register. */
export const REGISTER_RULES: readonly ConformanceRule[] = [
  keys,
  rights,
  isolation,
  initial,
  synchronisation,
  counted,
  twoRegisters,
];
