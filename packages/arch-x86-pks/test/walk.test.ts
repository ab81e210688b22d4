import { Access, FaultKind, OK, Privilege, toAsid, toPfn } from "@kpkeys/core/contracts";
import { toWords } from "@kpkeys/core/machine";
import { describe, expect, test } from "vitest";
import { createMachine } from "./machine.js";

const VA = 0xffff888012345678n;
const LEAF_PFN = 512;
const bit = (position: number, on = true): bigint => (on ? 1n << BigInt(position) : 0n);
const [P, RW, US, D, PS, G] = [bit(0), bit(1), bit(2), bit(6), bit(7), bit(8)];
const OPEN = [P | RW, P | RW, P | RW, P | RW];

type Machine = ReturnType<typeof createMachine>;

/** The #PF error code of an access in kernel mode, or `undefined` if it succeeded. */
function errorCode({ cpu }: Machine, access: Access = Access.READ, va = VA): number | undefined {
  const { high, low } = toWords(va);
  // A load also needs content, which only a page of RAM has.
  const status = access === Access.READ ? cpu.load64(high, low) : cpu.access(high, low, access, Privilege.KERNEL);
  return status === OK ? undefined : cpu.fault.syndromeLow;
}

describe("IA32_EFER.NXE", () => {
  const EFER = bit(8) | bit(10);

  test.each([0, 1, 2, 3])("makes XD a reserved bit at level %i while it is 0", (level) => {
    const machine = createMachine();
    const entries = OPEN.map((value, other) => value | bit(63, other === level));
    machine.map(VA, entries, LEAF_PFN);
    expect(errorCode(machine)).toBeUndefined();
    machine.cpu.systemRegisters.write("EFER", EFER);
    machine.map(VA, entries, LEAF_PFN);
    expect(errorCode(machine, Access.WRITE)).toBe(0b001011);
    expect(machine.cpu.fault.level).toBe(level);
  });

  test.each([
    [true, true, 0b10000],
    [true, false, 0b10000],
    [false, true, 0b10000],
    [false, false, 0],
  ])("being %s with CR4.SMEP %s: a fetch from nowhere is reported as %i", (nxe, smep, code) => {
    const machine = createMachine();
    machine.map(VA, [0n], 0);
    machine.cpu.systemRegisters.write("EFER", EFER | bit(11, nxe));
    machine.cpu.systemRegisters.write("CR4", bit(5) | bit(20, smep));
    expect(errorCode(machine, Access.FETCH)).toBe(code);
  });
});

describe("reserved bits", () => {
  test.each([
    ["PS in a PML4E", 0, [P | RW | PS, P | RW, P | RW, P | RW]],
    ["bit 13 of a 1 GiB leaf", 1, [P | RW, P | RW | PS | bit(13)]],
    ["bit 29 of a 1 GiB leaf", 1, [P | RW, P | RW | PS | bit(29)]],
    ["bit 13 of a 2 MiB leaf", 2, [P | RW, P | RW, P | RW | PS | bit(13)]],
    ["bit 20 of a 2 MiB leaf", 2, [P | RW, P | RW, P | RW | PS | bit(20)]],
  ])("%s: the walk ends at the entry with RSVD and P, for every key", (_name, level, entries) => {
    const machine = createMachine();
    machine.map(VA, entries, 0);
    machine.cpu.writePkeyRegister(0, -1);
    expect(errorCode(machine)).toBe(0b01001);
    expect(machine.cpu.fault).toMatchObject({ kind: FaultKind.RESERVED, level, pkey: 0 });
  });

  test.each([36, 40, 46, 52])("of addresses begin at MAXPHYADDR %i at every level", (physicalAddressBits) => {
    const machine = createMachine({ physicalAddressBits });
    for (let level = 0; level < 4; level++) {
      for (let position = 36; position < 52; position++) {
        const entries = OPEN.map((value, other) => value | bit(position, other === level));
        machine.map(VA, entries, LEAF_PFN);
        expect(errorCode(machine)).toBe(0b01001);
        const expected = position >= physicalAddressBits ? FaultKind.RESERVED : FaultKind.ADDRESS_SIZE;
        expect(machine.cpu.fault.kind, `bit ${position} of level ${level}`).toBe(expected);
      }
    }
  });

  test.each([9, 10, 11, 52, 57, 58, 59, 62])("do not include bit %i", (position) => {
    const machine = createMachine();
    machine.map(
      VA,
      OPEN.map((value) => value | bit(position)),
      LEAF_PFN,
    );
    expect(errorCode(machine)).toBeUndefined();
  });
});

describe("an address that is not canonical", () => {
  test.each([0x0000800000000000n, 0xffff7fffffffffffn, 0x00ffff8880000000n])("%# is a #GP, not a #PF", (va) => {
    const machine = createMachine();
    machine.map(VA, OPEN, LEAF_PFN);
    expect(errorCode(machine, Access.WRITE, va & ~7n)).toBe(0);
    expect(machine.cpu.fault.kind).toBe(FaultKind.ADDRESS_SIZE);
  });
});

describe("the TLB", () => {
  test("keeps a translation until INVLPG, but a fault drops it", () => {
    const machine = createMachine();
    machine.map(VA, OPEN, LEAF_PFN);
    expect(errorCode(machine)).toBeUndefined();
    const { cpu, memory } = machine;
    const index = Number((VA >> 12n) & 511n);
    memory.write(toPfn(4), index, { high: 0, low: 0 });
    expect(errorCode(machine)).toBeUndefined();
    const { high, low } = toWords(VA);
    cpu.mmu.invalidatePage(high, low);
    expect(errorCode(machine)).toBe(0);

    machine.map(VA, [P | RW, P | RW, P | RW, P], LEAF_PFN);
    expect(errorCode(machine)).toBeUndefined();
    memory.write(toPfn(4), index, { high: 0, low: (LEAF_PFN << 12) | 3 });
    expect(errorCode(machine, Access.WRITE)).toBe(0b00011);
    expect(errorCode(machine, Access.WRITE)).toBeUndefined();
  });

  test("sets D in the table at the first write through a translation that a read filled", () => {
    const machine = createMachine();
    machine.map(VA, OPEN, LEAF_PFN);
    expect(errorCode(machine, Access.READ)).toBeUndefined();
    expect(machine.entries()[3]! & D).toBe(0n);
    expect(errorCode(machine, Access.WRITE)).toBeUndefined();
    expect(machine.entries()[3]! & D).toBe(D);
  });

  test.each([
    ["keeps", "with", G, bit(7), undefined],
    ["drops", "without", 0n, bit(7), 0],
    ["drops", "while CR4.PGE is 0, with", G, 0n, 0],
  ])("%s a page %s G when CR3 is written", (_verb, _state, global, pge, expected) => {
    const machine = createMachine();
    machine.cpu.systemRegisters.write("CR4", bit(5) | pge);
    machine.map(VA, [P | RW, P | RW, P | RW, P | RW | global], LEAF_PFN);
    expect(errorCode(machine)).toBeUndefined();
    machine.memory.write(toPfn(4), Number((VA >> 12n) & 511n), { high: 0, low: 0 });
    machine.cpu.mmu.setUserRoot(toPfn(1), toAsid(1));
    expect(errorCode(machine)).toBe(expected);
  });
});

test("a write of IA32_PKRS applies to the next access, without a flush or a barrier", () => {
  const machine = createMachine();
  const { cpu } = machine;
  const key = 1n << 59n;
  machine.map(VA, [P | RW, P | RW, P | RW, P | RW | G | key], LEAF_PFN);
  const { high, low } = toWords(VA & ~7n);
  for (let round = 0; round < 3; round++) {
    cpu.writePkeyRegister(0, 0);
    expect(cpu.store64(high, low, 0, round + 1)).toBe(OK);
    cpu.writePkeyRegister(0, 0b1000);
    expect(cpu.store64(high, low, 0, 9)).not.toBe(OK);
    expect(cpu.fault).toMatchObject({ kind: FaultKind.PKEY, pkey: 1, syndromeLow: 0b100011, pkeyRegisterLow: 0b1000 });
    expect(cpu.load64(high, low)).toBe(OK);
    expect(cpu.valueLow).toBe(round + 1);
    cpu.writePkeyRegister(0, 0b0100);
    expect(cpu.load64(high, low)).not.toBe(OK);
  }
  expect(cpu.counters).toMatchObject({ unsynchronised: 0, barriers: 0, pkeyRegisterWrites: 9, faults: 6 });
});

test("a user page uses PKRU, not IA32_PKRS", () => {
  const machine = createMachine();
  const { cpu } = machine;
  machine.map(VA, [P | RW | US, P | RW | US, P | RW | US, P | RW | US | (3n << 59n)], LEAF_PFN);
  const { high, low } = toWords(VA);
  cpu.writePkeyRegister(0, -1);
  cpu.systemRegisters.write("PKRU", 0n);
  expect(cpu.access(high, low, Access.WRITE, Privilege.UACCESS)).toBe(OK);
  cpu.systemRegisters.write("PKRU", 0b10000000n);
  expect(cpu.access(high, low, Access.WRITE, Privilege.UACCESS)).not.toBe(OK);
  expect(cpu.fault.kind).toBe(FaultKind.PKEY);
});
