import { Access, OK, Privilege } from "@kpkeys/core/contracts";
import { carryOut, toWords } from "@kpkeys/core/machine";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createMachine } from "./machine.js";
import { errorCode } from "./manual.js";
import type { Situation } from "./manual.js";

const VA = 0x0000123456789ab8n;
const LEAF_PFN = 512;
const ACCESSES = [Access.READ, Access.WRITE, Access.RMW, Access.FETCH];
const PRIVILEGES = [Privilege.USER, Privilege.KERNEL, Privilege.UACCESS];
const BOOLEANS = [false, true];

// Positions of entry and register bits, after the manual.
const bit = (position: number, on = true): bigint => (on ? 1n << BigInt(position) : 0n);
const [P, RW, US, A, D] = [bit(0), bit(1), bit(2), bit(5), bit(6)];
const entry = (rw: boolean, us: boolean, xd: boolean): bigint => P | bit(1, rw) | bit(2, us) | bit(63, xd);

// 1 GiB, so that the largest leaf is in RAM.
const machine = createMachine({}, 2 ** 18);
const { cpu } = machine;

/** PKRU or IA32_PKRS with the bits of one key, and the opposite in every other, so that a wrong key shows. */
function keyRegister({ ad, wd }: Situation["pkru"], key: number): number {
  const field = (ad ? 1 : 0) | (wd ? 2 : 0);
  return ((0x55555555 * (3 - field)) & ~(3 << (2 * key))) | (field << (2 * key));
}

function setRegisters(situation: Situation, key: number): void {
  const { wp, smep, smap, ac, pke, pks, pkrs, pkru } = situation;
  cpu.systemRegisters.write("CR0", bit(31) | bit(16, wp) | bit(0));
  cpu.systemRegisters.write("CR4", bit(5) | bit(20, smep) | bit(21, smap) | bit(22, pke) | bit(24, pks));
  cpu.systemRegisters.write("RFLAGS", bit(1) | bit(18, ac));
  cpu.systemRegisters.write("PKRU", BigInt.asUintN(32, BigInt(keyRegister(pkru, key))));
  cpu.writePkeyRegister(0, keyRegister(pkrs, key));
}

/** Makes the access by `access` and, if there is one, by a load, store or exchange; both must have the same outcome. */
function outcome({ access, privilege }: Situation): number | undefined {
  const address = toWords(VA);
  const probed = cpu.access(address.high, address.low, access, privilege) === OK ? undefined : cpu.fault.syndromeLow;
  const done = carryOut(cpu, address, access, privilege) === OK ? undefined : cpu.fault.syndromeLow;
  return done === probed ? done : NaN;
}

function* everyKeyState(): Generator<Pick<Situation, "pke" | "pks" | "pkru" | "pkrs">> {
  for (const pke of BOOLEANS)
    for (const pks of BOOLEANS)
      for (const ad of BOOLEANS)
        for (const wd of BOOLEANS) yield { pke, pks, pkru: { ad, wd }, pkrs: { ad: !ad, wd: !wd } };
}

function* everyModeState(): Generator<Pick<Situation, "wp" | "smep" | "smap" | "ac">> {
  for (const wp of BOOLEANS)
    for (const smep of BOOLEANS) for (const smap of BOOLEANS) for (const ac of BOOLEANS) yield { wp, smep, smap, ac };
}

describe("outcome and error code of an access follow the rules of the SDM", () => {
  const pages = BOOLEANS.flatMap((us) => BOOLEANS.flatMap((rw) => BOOLEANS.map((xd) => ({ us, rw, xd }))));

  test.each(pages)("for every state of the registers on a page with US=$us RW=$rw XD=$xd", ({ us, rw, xd }) => {
    const key = 11;
    const page = { userModeAddress: us, writableEverywhere: rw, executeDisabled: xd };
    machine.map(
      VA,
      [P | RW | US, P | RW | US, P | RW | US, entry(rw, us, xd) | A | D | (BigInt(key) << 59n)],
      LEAF_PFN,
    );
    const wrong: unknown[] = [];
    let cases = 0;
    for (const mode of everyModeState()) {
      for (const keys of everyKeyState()) {
        for (const access of ACCESSES) {
          for (const privilege of PRIVILEGES) {
            const situation: Situation = { ...page, ...mode, ...keys, access, privilege };
            setRegisters(situation, key);
            const [actual, expected] = [outcome(situation), errorCode(situation)];
            if (!Object.is(actual, expected)) wrong.push({ ...situation, actual, expected });
            cases++;
          }
        }
      }
    }
    expect(wrong.slice(0, 3)).toEqual([]);
    expect(cases).toBe(16 * 16 * 12);
  });
});

const flags = fc.record({
  rw: fc.boolean(),
  us: fc.boolean(),
  xd: fc.boolean(),
  a: fc.boolean(),
  ignoredKey: fc.nat(15),
});
const keyRights = fc.record({ ad: fc.boolean(), wd: fc.boolean() });
const registers = fc.record({
  access: fc.constantFrom(...ACCESSES),
  privilege: fc.constantFrom(...PRIVILEGES),
  ...Object.fromEntries(["wp", "smep", "smap", "ac", "pke", "pks"].map((name) => [name, fc.boolean()])),
  pkru: keyRights,
  pkrs: keyRights,
}) as fc.Arbitrary<Omit<Situation, "userModeAddress" | "writableEverywhere" | "executeDisabled">>;

describe("a walk through random tables", () => {
  const walks = fc.record({
    levels: fc.array(flags, { minLength: 2, maxLength: 4 }),
    dirty: fc.boolean(),
    key: fc.nat(15),
    registers,
  });

  // Model specific in "Accessed and Dirty Flags": a PDPTE is used before its rights are checked, a locked access reads first.
  const PDPT = 1;
  const mayOnlyRead = (situation: Situation): boolean =>
    situation.access === Access.RMW && errorCode({ ...situation, access: Access.READ }) === undefined;

  test("takes R/W and U/S from every level, XD from any, the key from the leaf, and sets A when used and D when written", () => {
    fc.assert(
      fc.property(walks, ({ levels, dirty, key, registers }) => {
        const last = levels.length - 1;
        const before = levels.map(({ rw, us, xd, a, ignoredKey }, level) => {
          const common = entry(rw, us, xd) | bit(5, a);
          if (level !== last) return common | (BigInt(ignoredKey) << 59n);
          return common | (BigInt(key) << 59n) | bit(6, dirty) | bit(7, last < 3);
        });
        machine.map(VA, before, last === 3 ? LEAF_PFN : 0);
        const situation: Situation = {
          ...registers,
          userModeAddress: levels.every(({ us }) => us),
          writableEverywhere: levels.every(({ rw }) => rw),
          executeDisabled: levels.some(({ xd }) => xd),
        };
        setRegisters(situation, key);
        const { high, low } = toWords(VA);
        const expected = errorCode(situation);
        const ok = cpu.access(high, low, situation.access, situation.privilege) === OK;
        expect(ok ? undefined : cpu.fault.syndromeLow).toBe(expected);

        const after = machine.entries();
        const written = ok && (situation.access & Access.WRITE) !== 0;
        const used = ok || last === PDPT || mayOnlyRead(situation);
        expect(after.at(-1)).toBe(before.at(-1)! | (used ? A : 0n) | (written ? D : 0n));
        if (ok) expect(after.slice(0, -1)).toEqual(before.slice(0, -1).map((value) => value | A));
      }),
      { numRuns: 3000 },
    );
  });
});
