import { Access, FaultKind } from "@kpkeys/core/contracts";
import type { PkeyRegister, Rights } from "@kpkeys/core/contracts";
import { createBench } from "../bench.js";
import type { Bench } from "../bench.js";
import type { ConformanceRule } from "../rule.js";
import { outcomeText, valueText } from "../text.js";

const ALL_RIGHTS: readonly Rights[] = ["none", "r", "rw", "rx", "rwx"];
const SOURCE = "contract PkeyRegister; Arm ARM, POR_EL1; SDM volume 3, Protection Keys";

/** Whether rights, as the register tells them, include one. */
export const includes = (rights: string, right: "r" | "w" | "x"): boolean =>
  rights !== "none" && rights.includes(right);

/** Whether a register can take execution from a key that may be read and written. */
function withholdsFetch(register: PkeyRegister, key: number): boolean {
  const { high, low } = register.field(key, "rw");
  return !includes(register.rightsOf(high, low, key), "x");
}

/** What a field must be read back as: what was asked for, with execution where the register cannot withhold it. */
export function expectedRights(register: PkeyRegister, key: number, rights: Rights): string {
  const fetch = includes(rights, "x") || !withholdsFetch(register, key);
  const text = `${includes(rights, "r") ? "r" : ""}${includes(rights, "w") ? "w" : ""}${fetch ? "x" : ""}`;
  return text === "" ? "none" : text;
}

const keysOf = ({ keys }: PkeyRegister): number[] => Array.from({ length: keys }, (_, key) => key);

const keys: ConformanceRule = {
  id: "register/keys",
  sentence: "the register has a name, key 0 and at least one other, and a leaf can name each key",
  source: SOURCE,
  check({ plugin }, report) {
    const { register, format, leaf, dataPfn } = createBench(plugin);
    if (register.name.trim() === "") report("the register has no name");
    if (!Number.isInteger(register.keys) || register.keys < 2)
      report(`it has ${register.keys} keys, at least 2 expected`);
    const level = format.geometry.levels.length - 1;
    for (const key of keysOf(register)) {
      const { high, low } = leaf(level, dataPfn, format.protections.PAGE_KERNEL, key);
      const named = format.pkeyOf(high, low);
      if (named !== key) report(`a leaf given key ${key} names key ${named}`);
    }
  },
};

const rights: ConformanceRule = {
  id: "register/rights",
  sentence: "rights put into a key's field are read from it again, whatever the other keys have",
  source: SOURCE,
  check({ plugin }, report) {
    const { register, value } = createBench(plugin);
    for (const key of keysOf(register)) {
      for (const wanted of ALL_RIGHTS) {
        for (const others of ALL_RIGHTS) {
          const { high, low } = value(keysOf(register).map((each) => (each === key ? wanted : others)));
          const found = register.rightsOf(high, low, key);
          const expected = expectedRights(register, key, wanted);
          if (found !== expected) {
            report(`key ${key} given ${wanted} among keys with ${others} has ${found}, ${expected} expected`);
          }
        }
      }
    }
  },
};

const isolation: ConformanceRule = {
  id: "register/isolation",
  sentence: "each key has a field of its own, and what a key is given lies inside it",
  source: SOURCE,
  check({ plugin }, report) {
    const { register } = createBench(plugin);
    const taken = { high: 0, low: 0 };
    for (const key of keysOf(register)) {
      const mask = register.fieldMask(key);
      if (((mask.high & taken.high) | (mask.low & taken.low)) !== 0) {
        report(`the field of key ${key}, ${valueText(mask)}, overlaps that of a lower key`);
      }
      if ((mask.high | mask.low) === 0) report(`key ${key} has no field`);
      for (const wanted of ALL_RIGHTS) {
        const field = register.field(key, wanted);
        if (((field.high & ~mask.high) | (field.low & ~mask.low)) !== 0) {
          report(`${wanted} of key ${key}, ${valueText(field)}, reaches out of its field ${valueText(mask)}`);
        }
      }
      taken.high |= mask.high;
      taken.low |= mask.low;
    }
  },
};

const initial: ConformanceRule = {
  id: "register/initial",
  sentence: "after reset key 0 is read-write; the initial value keeps it so, and gives unused keys no access",
  source: 'contracts PkeyRegister and Kpkeys.initialValue; patch "arm64: kpkeys: Implement kpkeys support"',
  check({ plugin }, report) {
    const { register, cpus, kpkeys, managed } = createBench(plugin);
    const cpu = cpus.all[1]!;
    cpu.reset();
    const reset = register.rightsOf(cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow, 0);
    if (!includes(reset, "r") || !includes(reset, "w"))
      report(`after reset key 0 has ${reset}: the kernel cannot start`);

    if (register.unused !== "none") report(`unused keys have ${register.unused}, none expected`);
    const { high, low } = kpkeys.initialValue();
    for (const key of keysOf(register)) {
      const found = register.rightsOf(high, low, key);
      const expected = expectedRights(register, key, key === 0 ? "rw" : key === managed ? "r" : "none");
      const [data, expectedData] = [found, expected].map((text) => text.replace("x", ""));
      if (data !== expectedData && !(data === "none" && expectedData === "")) {
        report(`initially key ${key} has ${found}, ${expected} expected`);
      }
    }
  },
};

/** Maps a page with the managed key, and gives its address. */
function mapManaged({ format, pgtable, put, leaf, dataPfn, managed }: Bench): bigint {
  const address = pgtable.layout.vmallocStart;
  const level = format.geometry.levels.length - 1;
  put(address, level, leaf(level, dataPfn, format.protections.PAGE_KERNEL, managed));
  return address;
}

const synchronisation: ConformanceRule = {
  id: "register/synchronisation",
  sentence:
    "a write of the register rules when the register's layout says it does: at once, or from the next barrier on",
  source: "contract PkeyRegister.synchronisation; Arm ARM, context synchronisation; SDM volume 2, WRMSR",
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { cpu, register, open, value, attempt } = bench;
    const address = mapManaged(bench);
    const closed = value(["rwx"]);
    const waits = register.synchronisation === "barrier";
    const expectAfter = (moment: string, expected: FaultKind | undefined): void => {
      const found = attempt(address, Access.READ);
      if (found !== expected)
        report(`${moment} a read meets ${outcomeText(found)}; expected: ${outcomeText(expected)}`);
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
      report(`${unsynchronised} accesses are counted as unsynchronised, ${waits ? "more than 0" : "0"} expected`);
    }
  },
};

const counted: ConformanceRule = {
  id: "register/counted",
  sentence: "every write of the register is counted, and every barrier that is one",
  source: "contract CpuCounters",
  check({ plugin }, report) {
    const { cpu, register, open } = createBench(plugin);
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
      report(`3 calls of synchronise() are counted as ${barriers} barriers, ${expected} expected`);
    if (cpu.pkeyRegisterHigh !== open.high || cpu.pkeyRegisterLow !== open.low) {
      report(
        `the register holds ${valueText({ high: cpu.pkeyRegisterHigh, low: cpu.pkeyRegisterLow })}, not what was written`,
      );
    }
  },
};

/** Rules of the key register. */
export const REGISTER_RULES: readonly ConformanceRule[] = [keys, rights, isolation, initial, synchronisation, counted];
