import { Random } from "@kpkeys/core";
import { Access, FaultKind } from "@kpkeys/core/contracts";
import type { ContextName, KpkeysState, Rights, Words } from "@kpkeys/core/contracts";
import { createBench } from "../bench.js";
import type { Bench } from "../bench.js";
import type { ConformanceRule } from "../rule.js";
import { outcomeText, valueText } from "../text.js";
import { includes } from "./register.js";

const SOURCE = 'contract KpkeysArch; patches "mm: Introduce kpkeys" and "arm64: kpkeys: Implement kpkeys support"';
const RIGHTS: readonly Rights[] = ["none", "r", "rw", "rx", "rwx"];
const CONTEXTS: readonly ContextName[] = ["DEFAULT", "CONFORMANCE", "CONFORMANCE_NONE"];

/** Enters one of the kit's contexts: each call names a literal, as the API demands. */
function enter({ kpkeys }: Bench, name: ContextName): KpkeysState {
  if (name === "CONFORMANCE") return kpkeys.enterContext("CONFORMANCE");
  return name === "DEFAULT" ? kpkeys.enterContext("DEFAULT") : kpkeys.enterContext("CONFORMANCE_NONE");
}

const now = ({ cpus }: Bench): Words => ({ high: cpus.current.pkeyRegisterHigh, low: cpus.current.pkeyRegisterLow });

/** A value with read-write on key 0 and any rights on all other keys. */
function anyValue(bench: Bench, random: Random): Words {
  return bench.value(
    Array.from({ length: bench.register.keys }, (_, key) => (key === 0 ? "rwx" : random.oneOf(RIGHTS))),
  );
}

const unmanaged: ConformanceRule = {
  id: "context/unmanaged-keys",
  sentence: "a context changes no right of a key that kpkeys does not manage",
  source: SOURCE,
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { register, managed } = bench;
    const random = new Random(3);
    for (let round = 0; round < 32; round++) {
      const before = anyValue(bench, random);
      for (const name of CONTEXTS) {
        bench.setRegister(before);
        const state = enter(bench, name);
        const inside = now(bench);
        bench.kpkeys.leaveContext(state);
        for (let key = 1; key < register.keys; key++) {
          if (key === managed) continue;
          const had = register.rightsOf(before.high, before.low, key);
          const has = register.rightsOf(inside.high, inside.low, key);
          if (has !== had) report(`in ${name} the unmanaged key ${key} has ${has}, before it had ${had}`);
        }
      }
    }
  },
};

const managedKeys: ConformanceRule = {
  id: "context/rights",
  sentence: "in a context each managed key has the rights that the context gives it",
  source: SOURCE,
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { register, managed } = bench;
    const random = new Random(5);
    const expected = { DEFAULT: "r", CONFORMANCE: "rw", CONFORMANCE_NONE: "none" } as Readonly<
      Record<ContextName, Rights>
    >;
    for (let round = 0; round < 16; round++) {
      for (const name of CONTEXTS) {
        bench.setRegister(anyValue(bench, random));
        const state = enter(bench, name);
        const { high, low } = now(bench);
        const field = register.field(managed, expected[name]);
        const mask = register.fieldMask(managed);
        if ((high & mask.high) !== field.high || (low & mask.low) !== field.low) {
          report(`in ${name} the managed key has ${register.rightsOf(high, low, managed)}, ${expected[name]} expected`);
        }
        bench.kpkeys.leaveContext(state);
      }
    }
  },
};

const defaultKey: ConformanceRule = {
  id: "context/default-key",
  sentence: "every context leaves key 0 read-write",
  source: `${SOURCE}; contract Kpkeys.defineContext`,
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { register, kpkeys } = bench;
    const random = new Random(13);
    for (const name of kpkeys.contextNames) {
      bench.setRegister(anyValue(bench, random));
      const state = enter(bench, name);
      const { high, low } = now(bench);
      const has = register.rightsOf(high, low, 0);
      if (!includes(has, "r") || !includes(has, "w")) report(`in ${name} key 0 has ${has}`);
      kpkeys.leaveContext(state);
    }
  },
};

const restore: ConformanceRule = {
  id: "context/restore",
  sentence: "leaving contexts, nested in any way and on either CPU, gives the register back the value that it had",
  source: SOURCE,
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const random = new Random(17);
    const { cpus, kpkeys } = bench;
    for (let round = 0; round < 32; round++) {
      cpus.current = cpus.all[round % 2]!;
      const before = anyValue(bench, random);
      cpus.current.writePkeyRegister(before.high, before.low);
      cpus.current.synchronise();
      const entered = Array.from({ length: 1 + random.below(6) }, () => {
        const value = now(bench);
        const name = random.oneOf(CONTEXTS);
        return { name, value, state: enter(bench, name) };
      });
      for (const { name, value, state } of entered.toReversed()) {
        kpkeys.leaveContext(state);
        const after = now(bench);
        if (after.high !== value.high || after.low !== value.low) {
          report(`after ${name} the register holds ${valueText(after)}, ${valueText(value)} before`);
        }
      }
    }
  },
};

const synchronised: ConformanceRule = {
  id: "context/synchronised",
  sentence:
    "a context rules from the moment it is entered until it is left, with no access that depends on a missing barrier",
  source: `${SOURCE}; Arm ARM, context synchronisation`,
  check({ plugin }, report) {
    const bench = createBench(plugin);
    const { cpu, format, pgtable, dataPfn, managed, kpkeys } = bench;
    const level = format.geometry.levels.length - 1;
    const address = pgtable.layout.vmallocStart;
    bench.put(address, level, bench.leaf(level, dataPfn, format.protections.PAGE_KERNEL, managed));
    bench.setRegister(kpkeys.initialValue());
    const expectWrite = (moment: string, expected: FaultKind | undefined): void => {
      const kind = bench.attempt(address, Access.WRITE);
      if (kind !== expected) report(`${moment} a write meets ${outcomeText(kind)}; expected: ${outcomeText(expected)}`);
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
    const bench = createBench(plugin);
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
    if (writes[0] !== writes[1]) report(`the CPU counts ${writes[0]} register writes, the architecture ${writes[1]}`);
    if (barriers[0] !== barriers[1]) report(`the CPU counts ${barriers[0]} barriers, the architecture ${barriers[1]}`);
    if (writes[0] === 0) report("no register write is counted at all");
  },
};

const saved: ConformanceRule = {
  id: "context/written",
  sentence: "entering says whether it wrote the register: when it says no there is nothing to restore",
  source: "contract KpkeysArch.enterContext; struct kpkeys_state of the newest form of the series",
  check({ plugin }, report) {
    for (const skipEqualWrites of [false, true]) {
      const bench = createBench(plugin, { skipEqualWrites });
      const { arch, cpu, kpkeys } = bench;
      bench.setRegister(kpkeys.initialValue());
      const slots = new Int32Array(8);
      for (const name of CONTEXTS) {
        const before = { ...now(bench), writes: cpu.counters.pkeyRegisterWrites };
        const said = arch.enterContext(kpkeys.compiled(name), slots, 2);
        const wrote = cpu.counters.pkeyRegisterWrites > before.writes;
        const what = `${name}, equal writes ${skipEqualWrites ? "skipped" : "made"}`;
        if (said !== wrote)
          report(
            `${what}: it says that the register was ${said ? "" : "not "}written, and it was${wrote ? "" : " not"}`,
          );
        if (wrote && (slots[4] !== before.high || slots[5] !== before.low))
          report(`${what}: the value saved is not the one before`);
        if (slots.some((word, at) => word !== 0 && at !== 4 && at !== 5)) report(`${what}: it writes beyond its slot`);
        if (said) arch.leaveContext(slots, 2, false);
        slots.fill(0);
      }
    }
  },
};

const numbers: ConformanceRule = {
  id: "context/key-numbers",
  sentence: "the default key is 0, and symbolic keys have numbers of their own among the register's",
  source: "contract KpkeysArch.pkeyNumbers; asm-generic/kpkeys.h of the series",
  check({ plugin }, report) {
    const { arch, kpkeys, register } = createBench(plugin);
    const given = Object.entries(arch.pkeyNumbers);
    if (kpkeys.pkey("DEFAULT") !== 0) report(`the default key is ${kpkeys.pkey("DEFAULT")}`);
    if (new Set(given.map(([, number]) => number)).size < given.length)
      report(`two keys have one number: ${JSON.stringify(arch.pkeyNumbers)}`);
    for (const [name, number] of given)
      if (!(number >= 0 && number < register.keys)) report(`${name} has number ${number} of ${register.keys} keys`);
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
