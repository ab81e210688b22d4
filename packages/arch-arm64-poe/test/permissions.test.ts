import { Access, OK, Privilege, toLevel, toPfn } from "@kpkeys/core/contracts";
import { carryOut, toWords } from "@kpkeys/core/machine";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { createMachine, join, RAM, UPPER } from "./machine.js";
import { marksDirty, syndrome } from "./manual.js";
import type { Situation } from "./manual.js";

const USER_VA = 0x0000123400210ab8n;
const KERNEL_VA = 0xffff123400210ab8n;
const ACCESSES = [Access.READ, Access.WRITE, Access.RMW, Access.FETCH];
const PRIVILEGES = [Privilege.USER, Privilege.KERNEL, Privilege.UACCESS];
const BOOLEANS = [false, true];
const NIBBLES = Array.from({ length: 16 }, (_, value) => value);

const machine = createMachine();
const { cpu } = machine;

type Mutable<T> = { -readonly [F in keyof T]: T[F] };

/** A kernel read of a 4 KiB page with all features off. */
const PLAIN: Situation = {
  access: Access.READ,
  privilege: Privilege.KERNEL,
  level: 3,
  pie: false,
  poe: false,
  e0poe: false,
  pan: false,
  epan: false,
  wxn: false,
  hpd: false,
  ha: false,
  hd: false,
  ap: 0,
  dbm: false,
  pxn: false,
  uxn: false,
  apTable: 0,
  pxnTable: false,
  uxnTable: false,
  pir: 0,
  pire0: 0,
  porEl1: 0,
  porEl0: 0,
};

// Positions of descriptor and register bits, after the manual.
const bits = (position: number, value: boolean | number): bigint => BigInt(value) << BigInt(position);

function leafEntry({ level, ap, dbm, pxn, uxn }: Situation, key: number): bigint {
  const page = level === 3 ? bits(1, 1) | 0x80010000n : 0x80000000n;
  return page | bits(0, 1) | bits(6, ap) | bits(10, 1) | bits(51, dbm) | bits(53, pxn) | bits(54, uxn) | bits(60, key);
}

function tableEntry(index: number, { apTable, pxnTable, uxnTable }: Situation): bigint {
  return UPPER[index]! | bits(59, pxnTable) | bits(60, uxnTable) | bits(61, apTable);
}

const piIndex = ({ ap, dbm, pxn, uxn }: Situation): number =>
  (ap & 1) | (Number(dbm) << 1) | (Number(pxn) << 2) | (Number(uxn) << 3);

/** A register with one field of the value, and the opposite in all others, so that a wrong field shows. */
function fieldRegister(value: number, index: number): bigint {
  const others = BigInt(15 - value) * 0x1111111111111111n;
  return (others & ~bits(4 * index, 15)) | bits(4 * index, value);
}

/** Sets the bits that are not fields by index. HPD of the other half has the opposite value. */
function setControls(at: Situation, half: 0 | 1 = 0): void {
  cpu.systemRegisters.write("SCTLR_EL1", bits(19, at.wxn) | bits(57, at.epan));
  cpu.systemRegisters.write(
    "TCR_EL1",
    bits(39, at.ha) | bits(40, at.hd) | bits(41 + half, at.hpd) | bits(42 - half, !at.hpd),
  );
  cpu.systemRegisters.write("TCR2_EL1", bits(1, at.pie) | bits(2, at.e0poe) | bits(3, at.poe));
  cpu.systemRegisters.write("PSTATE", bits(22, at.pan));
}

function setOverlays(porEl1: bigint, porEl0: bigint): void {
  const { high, low } = toWords(porEl1);
  cpu.writePkeyRegister(high, low);
  cpu.synchronise();
  cpu.systemRegisters.write("POR_EL0", porEl0);
}

/** ESR_EL1 as one exact number, in the form of manual.ts. */
function reported(status: number): number | undefined {
  const { syndromeHigh, syndromeLow } = cpu.fault;
  return status === OK ? undefined : syndromeHigh * 2 ** 32 + (syndromeLow >>> 0);
}

/** Makes the access by `access` and, if there is one, by a load, store or exchange; both must have the same outcome. */
function outcome(
  { access, privilege }: Situation,
  va: { readonly high: number; readonly low: number },
): number | undefined {
  const probed = reported(cpu.access(va.high, va.low, access, privilege));
  const done = reported(carryOut(cpu, va, access, privilege));
  return done === probed ? done : NaN;
}

/** Compares every access by every privilege with the manual. Collects the differences. */
function createComparison() {
  const va = toWords(USER_VA);
  const wrong: unknown[] = [];
  let cases = 0;
  return {
    wrong,
    cases: () => cases,
    compare: (at: Mutable<Situation>): void => {
      for (at.access of ACCESSES) {
        for (at.privilege of PRIVILEGES) {
          const [actual, expected] = [outcome(at, va), syndrome(at)];
          if (actual !== expected && wrong.length < 3) wrong.push({ ...at, actual, expected });
          cases++;
        }
      }
    },
  };
}

/** Every field of POR_EL1 with the opposite one in POR_EL0, so that the wrong register shows. */
function forEveryOverlay(at: Mutable<Situation>, key: number, action: () => void): void {
  for (at.porEl1 of NIBBLES) {
    at.porEl0 = 15 - at.porEl1;
    setOverlays(fieldRegister(at.porEl1, key), fieldRegister(at.porEl0, key));
    action();
  }
}

describe("with indirect permissions outcome and ESR_EL1 of an access follow the rules of the Arm ARM", () => {
  test.each(NIBBLES)(
    "for PIR_EL1 field %i, every PIRE0_EL1 and POR field, with and without POE, E0POE and PAN",
    (pir) => {
      const key = 5;
      const at: Mutable<Situation> = { ...PLAIN, pie: true, pir, ap: 0b01, uxn: true };
      machine.map(USER_VA, [...UPPER, leafEntry(at, key)]);
      cpu.systemRegisters.write("PIR_EL1", fieldRegister(pir, piIndex(at)));
      const { compare, wrong, cases } = createComparison();
      for (at.pire0 of NIBBLES) {
        cpu.systemRegisters.write("PIRE0_EL1", fieldRegister(at.pire0, piIndex(at)));
        for (at.poe of BOOLEANS)
          for (at.e0poe of BOOLEANS)
            for (at.pan of BOOLEANS) {
              setControls(at);
              forEveryOverlay(at, key, () => {
                compare(at);
              });
            }
      }
      expect(wrong).toEqual([]);
      expect(cases()).toBe(16 * 8 * 16 * 12);
    },
  );
});

// WXN is from the rule's text and pseudocode alone: in all of the architectural vectors SCTLR_EL1.WXN is 0.
describe("with direct permissions outcome and ESR_EL1 of an access follow the rules of the Arm ARM", () => {
  const pages = NIBBLES.map((value) => ({ ap: value >> 2, pxn: (value & 2) !== 0, uxn: (value & 1) !== 0 }));

  test.each(pages)(
    "for every table above and every state of the registers on a page with AP=$ap PXN=$pxn UXN=$uxn",
    (page) => {
      const key = 2;
      const at: Mutable<Situation> = { ...PLAIN, ...page };
      const { compare, wrong, cases } = createComparison();
      for (at.apTable of [0, 1, 2, 3])
        for (at.pxnTable of BOOLEANS)
          for (at.uxnTable of BOOLEANS) {
            machine.map(USER_VA, [UPPER[0]!, tableEntry(1, at), UPPER[2]!, leafEntry(at, key)]);
            for (at.hpd of BOOLEANS)
              for (at.pan of BOOLEANS)
                for (at.epan of BOOLEANS)
                  for (at.wxn of BOOLEANS)
                    for (at.poe of BOOLEANS)
                      for (at.e0poe of BOOLEANS) {
                        setControls(at);
                        forEveryOverlay(at, key, () => {
                          compare(at);
                        });
                      }
          }
      expect(wrong).toEqual([]);
      expect(cases()).toBe(16 * 64 * 16 * 12);
    },
  );
});

describe("a walk through random tables, with random registers", () => {
  const flag = fc.boolean();
  const register = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  const tables = fc.array(fc.record({ apTable: fc.nat(3), pxnTable: flag, uxnTable: flag }), {
    minLength: 1,
    maxLength: 3,
  });
  const walks = fc.record({
    tables,
    leaf: fc.record({ ap: fc.nat(3), dbm: flag, pxn: flag, uxn: flag }),
    controls: fc.record({
      ...{ pie: flag, poe: flag, e0poe: flag, pan: flag, epan: flag, wxn: flag, hpd: flag, ha: flag, hd: flag },
      ...{ access: fc.constantFrom(...ACCESSES), privilege: fc.constantFrom(...PRIVILEGES) },
    }),
    key: fc.nat(7),
    half: fc.constantFrom(0 as const, 1 as const),
    registers: fc.record({ pir: register, pire0: register, porEl1: register, porEl0: register }),
  });
  const field = (value: bigint, index: number): number => Number((value >> BigInt(4 * index)) & 15n);

  test("ORs the tables, finds the fields by PIIndex and POIndex, obeys its own half's HPD, and keeps the dirty state", () => {
    fc.assert(
      fc.property(walks, ({ tables, leaf, controls, key, half, registers }) => {
        const va = half === 0 ? USER_VA : KERNEL_VA;
        const at: Mutable<Situation> = { ...PLAIN, ...controls, ...leaf, level: tables.length };
        for (const { apTable, pxnTable, uxnTable } of tables) {
          at.apTable |= apTable;
          at.pxnTable ||= pxnTable;
          at.uxnTable ||= uxnTable;
        }
        at.pir = field(registers.pir, piIndex(at));
        at.pire0 = field(registers.pire0, piIndex(at));
        at.porEl1 = field(registers.porEl1, key);
        at.porEl0 = field(registers.porEl0, key);

        const entry = leafEntry(at, key);
        machine.map(va, [...tables.map((table, index) => tableEntry(index, { ...at, ...table })), entry]);
        cpu.systemRegisters.write("PIR_EL1", registers.pir);
        cpu.systemRegisters.write("PIRE0_EL1", registers.pire0);
        setControls(at, half);
        setOverlays(registers.porEl1, registers.porEl0);

        const expected = syndrome(at);
        expect(outcome(at, toWords(va))).toBe(expected);
        const dirtied = expected === undefined && marksDirty(at);
        expect(leafAfter(va, tables.length)).toBe(dirtied ? entry & ~bits(7, 1) : entry);
      }),
      { numRuns: runs(20_000) },
    );
  });

  /** The leaf's entry: each table is in the page after that of the table above it. */
  function leafAfter(va: bigint, level: number): bigint {
    const { high, low } = toWords(va);
    const [pfn, index] = [RAM.firstPfn + level, machine.format.index(toLevel(level), high, low)];
    return join(machine.memory.read(toPfn(pfn), index));
  }
});

/** The outcome on the mapped page with the current registers. */
function answer(at: Situation): "allowed" | "denied" | "denied by the overlay" {
  const esr = outcome(at, toWords(USER_VA));
  if (esr === undefined) return "allowed";
  return esr >= 2 ** 38 ? "denied by the overlay" : "denied";
}

/** The outcome in a situation with Linux's PIRE0_EL1, a page of a PIIndex and a key, and POR_EL1. */
function linux(situation: {
  pir: bigint;
  index: number;
  key: number;
  por: bigint;
  access: Access;
  privilege?: Privilege;
}) {
  const { pir, index, key, por, access, privilege = Privilege.KERNEL } = situation;
  const page = { ap: index & 1, dbm: (index & 2) !== 0, pxn: (index & 4) !== 0, uxn: (index & 8) !== 0 };
  const at = { ...PLAIN, ...page, pie: true, poe: true, e0poe: true, access, privilege };
  machine.map(USER_VA, [...UPPER, leafEntry(at, key)]);
  cpu.systemRegisters.write("PIR_EL1", pir);
  cpu.systemRegisters.write("PIRE0_EL1", 0x5010908070320000n);
  setControls(at);
  setOverlays(por, 0x7n);
  return answer(at);
}

describe("the series changes PIR_EL1", () => {
  const MAINLINE = 0xcc880e0ac0800000n;
  const SERIES = 0x5511070350100000n;
  const { READ, WRITE, FETCH } = Access;
  const [SHARED_EXEC, KERNEL_ROX, KERNEL_EXEC, KERNEL_RO, KERNEL, SHARED] = [7, 8, 10, 12, 14, 15];
  // POR_EL1 of the default context: all rights on key 0, reading on key 1 (page tables), nothing on the others.
  const DEFAULT = 0x17n;

  test("because with mainline's value overlays do not apply to kernel pages", () => {
    for (const index of [KERNEL_ROX, KERNEL_EXEC, KERNEL_RO, KERNEL]) {
      for (const access of ACCESSES) {
        const answers = NIBBLES.map((overlay) =>
          linux({ pir: MAINLINE, index, key: 1, por: BigInt(overlay) << 4n, access }),
        );
        expect(new Set(answers).size).toBe(1);
        expect(answers[0]).not.toBe("denied by the overlay");
      }
    }
    expect(linux({ pir: MAINLINE, index: KERNEL, key: 1, por: DEFAULT, access: WRITE })).toBe("allowed");
  });

  test("and with the series' value they apply, with the same base rights", () => {
    expect(linux({ pir: SERIES, index: KERNEL, key: 1, por: DEFAULT, access: READ })).toBe("allowed");
    expect(linux({ pir: SERIES, index: KERNEL, key: 1, por: DEFAULT, access: WRITE })).toBe("denied by the overlay");
    expect(linux({ pir: SERIES, index: KERNEL, key: 1, por: 0x57n, access: WRITE })).toBe("allowed");
    expect(linux({ pir: SERIES, index: KERNEL_ROX, key: 1, por: 0x57n, access: FETCH })).toBe("denied by the overlay");
    for (const index of NIBBLES) {
      for (const access of ACCESSES) {
        const mainline = linux({ pir: MAINLINE, index, key: 0, por: DEFAULT, access });
        expect(linux({ pir: SERIES, index, key: 0, por: DEFAULT, access })).toBe(mainline);
      }
    }
  });

  test("so that a privileged access to a user page is filtered by the user page's POIndex in POR_EL1", () => {
    const page = { index: SHARED, por: DEFAULT } as const;
    for (let key = 0; key < 8; key++) {
      const read = key < 2 ? "allowed" : "denied by the overlay";
      const write = key < 1 ? "allowed" : "denied by the overlay";
      expect(linux({ ...page, pir: SERIES, key, access: READ })).toBe(read);
      expect(linux({ ...page, pir: SERIES, key, access: WRITE })).toBe(write);
      expect(linux({ ...page, pir: MAINLINE, key, access: WRITE })).toBe("allowed");
      // An unprivileged access uses POR_EL0, which has all rights on key 0.
      const user = key < 1 ? "allowed" : "denied by the overlay";
      expect(linux({ ...page, pir: SERIES, key, access: WRITE, privilege: Privilege.UACCESS })).toBe(user);
      expect(linux({ ...page, pir: SERIES, key, access: WRITE, privilege: Privilege.USER })).toBe(user);
    }
  });

  test("and a denial by the overlay is reported even if the base rights deny too", () => {
    expect(linux({ pir: SERIES, index: KERNEL_RO, key: 1, por: DEFAULT, access: WRITE })).toBe("denied by the overlay");
    expect(linux({ pir: SERIES, index: KERNEL_RO, key: 0, por: DEFAULT, access: WRITE })).toBe("denied");
    expect(linux({ pir: SERIES, index: SHARED_EXEC, key: 2, por: DEFAULT, access: FETCH })).toBe(
      "denied by the overlay",
    );
    expect(linux({ pir: SERIES, index: SHARED_EXEC, key: 0, por: DEFAULT, access: FETCH })).toBe("denied");
  });
});

// From the rule's text and pseudocode alone, as above.
describe("SCTLR_EL1.WXN separates writing and execution", () => {
  /** The outcomes on a page that EL1 may read, write and execute if WXN allows it. */
  function answers(changes: Partial<Situation>, overlay: number): Record<"write" | "fetch", string> {
    const at = { ...PLAIN, wxn: true, ...changes };
    machine.map(USER_VA, [...UPPER, leafEntry(at, 3)]);
    setControls(at);
    setOverlays(fieldRegister(overlay, 3), 0n);
    return { write: answer({ ...at, access: Access.WRITE }), fetch: answer({ ...at, access: Access.FETCH }) };
  }

  test("without an overlay a writable page is not executable", () => {
    expect(answers({}, 7)).toEqual({ write: "allowed", fetch: "denied" });
    expect(answers({ ap: 0b10 }, 7)).toEqual({ write: "denied", fetch: "allowed" });
    expect(answers({ wxn: false }, 7)).toEqual({ write: "allowed", fetch: "allowed" });
  });

  test("with an overlay a page that the overlay makes executable is not writable", () => {
    expect(answers({ poe: true }, 7)).toEqual({ write: "denied by the overlay", fetch: "allowed" });
    expect(answers({ poe: true }, 5)).toEqual({ write: "allowed", fetch: "denied by the overlay" });
    expect(answers({ poe: true, wxn: false }, 7)).toEqual({ write: "allowed", fetch: "allowed" });
  });

  test("also where PAN with EPAN keeps EL1 from writing: PAN is for data accesses, and a fetch finds the page writable", () => {
    expect(answers({ pan: true, epan: true }, 7)).toEqual({ write: "denied", fetch: "denied" });
    expect(answers({ pan: true, epan: true, wxn: false }, 7)).toEqual({ write: "denied", fetch: "allowed" });
    expect(answers({ pan: true, epan: true, poe: true }, 7)).toEqual({ write: "denied", fetch: "allowed" });
  });

  test("and has no effect on indirect permissions, where only RWnX has this rule", () => {
    cpu.systemRegisters.write("PIRE0_EL1", 0n);
    const indirect = (pir: number, wxn: boolean, poe: boolean, overlay: number) => {
      cpu.systemRegisters.write("PIR_EL1", fieldRegister(pir, 0));
      return answers({ pie: true, wxn, poe }, overlay);
    };
    for (const wxn of BOOLEANS) {
      expect(indirect(7, wxn, false, 7)).toEqual({ write: "allowed", fetch: "allowed" });
      expect(indirect(7, wxn, true, 7)).toEqual({ write: "allowed", fetch: "allowed" });
      expect(indirect(6, wxn, false, 7)).toEqual({ write: "allowed", fetch: "denied" });
      expect(indirect(6, wxn, true, 7)).toEqual({ write: "denied by the overlay", fetch: "allowed" });
      expect(indirect(6, wxn, true, 5)).toEqual({ write: "allowed", fetch: "denied by the overlay" });
    }
  });
});
