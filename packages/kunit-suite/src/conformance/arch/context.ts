import { changePkeyValue, isSamePkeyValue, Random, writePkeyValue } from "@kpkeys/core";
import { Access, FaultKind } from "@kpkeys/core/contracts";
import type { ContextName, KpkeysState, PkeyValue, Rights } from "@kpkeys/core/contracts";
import { Bench } from "../bench.js";
import type { ConformanceRule } from "../rule.js";
import { checkOutcome, valueText } from "../text.js";

const SOURCE = 'contract KpkeysArch; patches "mm: Introduce kpkeys" and "arm64: Implement asm/kpkeys.h using POE"';
const RIGHTS: readonly Rights[] = ["none", "r", "rw", "rx", "rwx"];
const CONTEXTS: readonly ContextName[] = ["DEFAULT", "CONFORMANCE", "CONFORMANCE_NONE"];

/** Enters one of the kit's contexts. The API requires a literal name in each call. */
function enter({ kpkeys }: Bench, name: ContextName): KpkeysState {
  if (name === "CONFORMANCE") return kpkeys.enterContext("CONFORMANCE");
  return name === "DEFAULT" ? kpkeys.enterContext("DEFAULT") : kpkeys.enterContext("CONFORMANCE_NONE");
}

/** A register value with all rights on key 0 and random rights on the other keys. */
function randomValue(bench: Bench, random: Random): PkeyValue {
  return bench.value(bench.keys.map((key) => (key === 0 ? "rwx" : random.oneOf(RIGHTS))));
}

const unmanaged: ConformanceRule = {
  id: "context/unmanaged-keys",
  sentence: "a context changes no right of a key that kpkeys does not manage",
  source: SOURCE,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { register, managed } = bench;
    const random = new Random(3);
    for (let round = 0; round < 32; round++) {
      const before = randomValue(bench, random);
      for (const name of CONTEXTS) {
        bench.setRegister(before);
        const state = enter(bench, name);
        const inside = bench.registerNow();
        bench.kpkeys.leaveContext(state);
        for (let key = 1; key < register.keys; key++) {
          if (key === managed) continue;
          const had = register.rightsOf(before.high, before.low, key, before.fetch);
          const has = register.rightsOf(inside.high, inside.low, key, inside.fetch);
          if (has !== had) report(`in ${name} the unmanaged key ${key} has ${has}; expected ${had}, its rights before`);
        }
      }
    }
  },
};

const managedKeys: ConformanceRule = {
  id: "context/rights",
  sentence: "in a context each managed key has the rights that the context defines",
  source: SOURCE,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { register, managed } = bench;
    const random = new Random(5);
    const expected = { DEFAULT: "r", CONFORMANCE: "rw", CONFORMANCE_NONE: "none" } as Readonly<
      Record<ContextName, Rights>
    >;
    for (let round = 0; round < 16; round++) {
      for (const name of CONTEXTS) {
        bench.setRegister(randomValue(bench, random));
        const state = enter(bench, name);
        const now = bench.registerNow();
        const { high, low, fetch } = now;
        const field = register.field(managed, expected[name]);
        if (!isSamePkeyValue(changePkeyValue(now, register.fieldMask(managed), field), now)) {
          const has = register.rightsOf(high, low, managed, fetch);
          report(`in ${name} the managed key has ${has}; expected ${expected[name]}`);
        }
        bench.kpkeys.leaveContext(state);
      }
    }
  },
};

const defaultKey: ConformanceRule = {
  id: "context/default-key",
  sentence: "every context leaves all rights on key 0",
  source: `${SOURCE}; contract Kpkeys.defineContext`,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { register, kpkeys } = bench;
    const random = new Random(13);
    for (const name of kpkeys.contextNames) {
      bench.setRegister(randomValue(bench, random));
      const state = enter(bench, name);
      const { high, low, fetch } = bench.registerNow();
      const has = register.rightsOf(high, low, 0, fetch);
      if (has !== "rwx") report(`in ${name} key 0 has ${has}`);
      kpkeys.leaveContext(state);
    }
  },
};

const restore: ConformanceRule = {
  id: "context/restore",
  sentence: "leaving a context restores the previous value of the register, at any depth and on either CPU",
  source: SOURCE,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const random = new Random(17);
    const { cpus, kpkeys } = bench;
    for (let round = 0; round < 32; round++) {
      cpus.current = cpus.all[round % 2]!;
      const before = randomValue(bench, random);
      writePkeyValue(cpus.current, before);
      cpus.current.synchronise();
      const entered = Array.from({ length: 1 + random.below(6) }, () => {
        const value = bench.registerNow();
        const name = random.oneOf(CONTEXTS);
        return { name, value, state: enter(bench, name) };
      });
      for (const { name, value, state } of entered.toReversed()) {
        kpkeys.leaveContext(state);
        const after = bench.registerNow();
        if (!isSamePkeyValue(after, value)) {
          report(`after ${name} the register is ${valueText(after)}; expected ${valueText(value)}`);
        }
      }
    }
  },
};

const synchronised: ConformanceRule = {
  id: "context/synchronised",
  sentence:
    "a context applies from the time it is entered until it is left, and no access depends on a missing barrier",
  source: `${SOURCE}; Arm ARM, context synchronisation`,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { cpu, kpkeys } = bench;
    const address = bench.pgtable.layout.vmallocStart;
    bench.mapPage(address, "PAGE_KERNEL", bench.managed);
    bench.setRegister(kpkeys.initialValue());
    const expectWrite = (moment: string, expected: FaultKind | undefined): void => {
      checkOutcome(report, `a write ${moment}`, bench.attempt(address, Access.WRITE), expected);
    };
    for (let round = 0; round < 3; round++) {
      expectWrite("before the context", FaultKind.PKEY);
      const state = enter(bench, "CONFORMANCE");
      expectWrite("in the context", undefined);
      if (round < 2) kpkeys.leaveContext(state);
      else {
        kpkeys.leaveContextBeforeBarrier(state);
        cpu.synchronise();
      }
      expectWrite("after the context", FaultKind.PKEY);
    }
    if (cpu.counters.unsynchronised > 0)
      report(`${cpu.counters.unsynchronised} accesses depended on a missing barrier`);
  },
};

const counters: ConformanceRule = {
  id: "context/counters",
  sentence: "the architecture counts the register writes and barriers of contexts as the CPU does",
  source: "contract KpkeysArch.counters",
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { cpu, arch, kpkeys } = bench;
    bench.setRegister(kpkeys.initialValue());
    const cpuBefore = { ...cpu.counters };
    const archBefore = { ...arch.counters };
    for (let round = 0; round < 5; round++) {
      const outer = enter(bench, "CONFORMANCE");
      const inner = enter(bench, "DEFAULT");
      kpkeys.leaveContext(inner);
      kpkeys.leaveContextBeforeBarrier(outer);
    }
    const writes = [
      cpu.counters.pkeyRegisterWrites - cpuBefore.pkeyRegisterWrites,
      arch.counters.registerWrites - archBefore.registerWrites,
    ];
    const barriers = [cpu.counters.barriers - cpuBefore.barriers, arch.counters.barriers - archBefore.barriers];
    if (writes[0] !== writes[1])
      report(`the architecture counts ${writes[1]} register writes; expected ${writes[0]}, the count of the CPU`);
    if (barriers[0] !== barriers[1])
      report(`the architecture counts ${barriers[1]} barriers; expected ${barriers[0]}, the count of the CPU`);
    if (writes[0] === 0) report("no register write is counted");
  },
};

const saved: ConformanceRule = {
  id: "context/written",
  sentence: "entering returns whether it wrote the register; without a write nothing is restored",
  source: "contract KpkeysArch.enterContext; struct kpkeys_state of v9 of the series",
  check({ plugin }, report) {
    for (const skipEqualWrites of [false, true]) {
      const bench = new Bench(plugin, { skipEqualWrites });
      const { arch, cpu, kpkeys } = bench;
      bench.setRegister(kpkeys.initialValue());
      const slots = new Int32Array(16);
      for (const name of CONTEXTS) {
        const before = bench.registerNow();
        const { pkeyRegisterWrites } = cpu.counters;
        const reported = arch.enterContext(kpkeys.compiled(name), slots, 2);
        const wrote = cpu.counters.pkeyRegisterWrites > pkeyRegisterWrites;
        const what = `${name}, equal writes ${skipEqualWrites ? "skipped" : "made"}`;
        if (reported !== wrote) report(`${what}: entering returns ${reported}; expected ${wrote}`);
        const { high, low, fetch = { high: 0, low: 0 } } = before;
        const words = [high, low, fetch.high, fetch.low];
        if (wrote && words.some((word, at) => slots[8 + at] !== word))
          report(`${what}: the saved value is not the previous one`);
        if (slots.some((word, at) => word !== 0 && (at < 8 || at > 11)))
          report(`${what}: entering writes outside its slot`);
        if (reported) arch.leaveContext(slots, 2, false);
        slots.fill(0);
      }
    }
  },
};

const numbers: ConformanceRule = {
  id: "context/key-numbers",
  sentence: "the default key is 0, and symbolic keys have different numbers below the register's number of keys",
  source: "contract KpkeysArch.pkeyNumbers; asm-generic/kpkeys.h of the series",
  check({ plugin }, report) {
    const { arch, kpkeys, register } = new Bench(plugin);
    const assigned = Object.entries(arch.pkeyNumbers);
    if (kpkeys.pkey("DEFAULT") !== 0) report(`the default key is ${kpkeys.pkey("DEFAULT")}`);
    if (new Set(assigned.map(([, number]) => number)).size < assigned.length)
      report(`two keys have the same number: ${JSON.stringify(arch.pkeyNumbers)}`);
    for (const [name, number] of assigned)
      if (!(number >= 0 && number < register.keys))
        report(`key ${name} has number ${number}; expected 0 to ${register.keys - 1}`);
  },
};

/** Rules of contexts. */
export const CONTEXT_RULES: readonly ConformanceRule[] = [
  numbers,
  managedKeys,
  defaultKey,
  unmanaged,
  restore,
  synchronised,
  saved,
  counters,
];
