import { applyChange, Access, FAULT, FaultKind, Privilege, toLevel, toPfn, toPkey } from "@kpkeys/core/contracts";
import { describe, expect, test } from "vitest";
import { createMachine, high, join, low, UPPER } from "./machine.js";
import type { TestMachine } from "./machine.js";

const KERNEL_VA = 0xffff000000007000n;
const USER_VA = 0x7000n;
const { READ, WRITE, RMW, FETCH } = Access;
const { USER, KERNEL, UACCESS } = Privilege;

/** Makes an access that faults. */
function fault(machine: TestMachine, va: bigint, access: Access, privilege: Privilege): TestMachine["cpu"]["fault"] {
  expect(machine.cpu.access(high(va), low(va), access, privilege)).toBe(FAULT);
  return machine.cpu.fault;
}

/** A machine in which an address has a page with a protection. */
function mapped(protection: keyof TestMachine["format"]["protections"], va: bigint, pkey = 0): TestMachine {
  const machine = createMachine();
  const { format } = machine;
  const leaf = format.makeLeaf(toLevel(3), toPfn(0x80010), format.protections[protection]);
  machine.map(va, [...UPPER, join(applyChange(leaf, format.entryKeys!.pkeyChange(toPkey(pkey))))]);
  return machine;
}

describe("a kernel fault has the text of an oops", () => {
  test.each([
    ["write to read-only memory", "PAGE_KERNEL_RO", KERNEL_VA, WRITE, KERNEL],
    ["execute from non-executable memory", "PAGE_KERNEL", KERNEL_VA, FETCH, KERNEL],
    ["access to user memory outside uaccess routines", "PAGE_SHARED", USER_VA, READ, KERNEL],
    ["execution of user memory", "PAGE_SHARED", USER_VA, FETCH, KERNEL],
    ["write to read-only memory", "PAGE_READONLY", USER_VA, WRITE, UACCESS],
    ["paging request", "PAGE_NONE", USER_VA, READ, UACCESS],
    ["paging request", "PAGE_NONE", KERNEL_VA, WRITE, KERNEL],
  ] as const)("%s: %s", (words, protection, va, access, privilege) => {
    const machine = mapped(protection, va);
    expect(machine.tools.describeFault(fault(machine, va, access, privilege))).toBe(
      `Unable to handle kernel ${words} at virtual address ${va.toString(16).padStart(16, "0")}`,
    );
  });

  test("read from unreadable memory, if the key denies reading", () => {
    const machine = mapped("PAGE_KERNEL", KERNEL_VA, 2);
    const report = fault(machine, KERNEL_VA, READ, KERNEL);
    expect(report).toMatchObject({ kind: FaultKind.PKEY, pkey: 2 });
    expect(machine.tools.describeFault(report)).toContain("kernel read from unreadable memory at");
  });

  test("NULL pointer dereference, only in the first page", () => {
    const machine = mapped("PAGE_KERNEL", KERNEL_VA);
    expect(machine.tools.describeFault(fault(machine, 0xff8n, READ, KERNEL))).toBe(
      "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000ff8",
    );
    expect(machine.tools.describeFault(fault(machine, 0x1000n, READ, KERNEL))).toContain("paging request");
    expect(machine.tools.describeFault(fault(machine, 0x100000000n, READ, KERNEL))).toContain("paging request");
  });
});

test("a user fault has the text of an unhandled signal", () => {
  const machine = mapped("PAGE_READONLY", USER_VA);
  expect(machine.tools.describeFault(fault(machine, USER_VA, WRITE, USER))).toBe(
    "unhandled exception: DABT (lower EL), ESR 0x000000009200004f, level 3 permission fault at 0x0000000000007000",
  );
  expect(machine.tools.describeFault(fault(machine, USER_VA + 0x200000n, FETCH, USER))).toBe(
    "unhandled exception: IABT (lower EL), ESR 0x0000000082000006, level 2 translation fault at 0x0000000000207000",
  );
});

test("an instruction abort has an IFSC and no WnR", () => {
  const machine = mapped("PAGE_KERNEL", KERNEL_VA);
  const names = machine.tools.faultRegisters(fault(machine, KERNEL_VA, FETCH, KERNEL));
  expect(Object.fromEntries(names.map(({ name, text }) => [name, text]))).toMatchObject({
    ESR_EL1: "0x000000008600000f",
    EC: "0x21: IABT (current EL)",
    IFSC: "0x0f: level 3 permission fault",
    WnR: "0",
    Overlay: "0",
  });
});

describe("an address that is not canonical", () => {
  test.each([0x0001000000000000n, 0xfffe000000007000n, 0x8000000000000000n])(
    "%# is a translation fault of level 0",
    (va) => {
      const machine = mapped("PAGE_KERNEL", KERNEL_VA);
      expect(fault(machine, va, READ, KERNEL)).toMatchObject({ kind: FaultKind.TRANSLATION, level: 0 });
      expect(machine.cpu.fault.syndromeLow).toBe(0x96000004 | 0);
    },
  );
});

describe("an output address beyond the machine's", () => {
  test("is an address size fault at the level of its entry", () => {
    for (const bits of [36, 40, 48]) {
      const machine = createMachine({ physicalAddressBits: bits });
      const leaf = join(machine.format.protections.PAGE_KERNEL) | 0x80010000n;
      for (let level = 0; level < 4; level++) {
        for (const position of [bits - 1, bits].filter((each) => each < 48)) {
          const entries = [...UPPER, leaf].map((entry, at) =>
            at === level ? entry | (1n << BigInt(position)) : entry,
          );
          machine.map(KERNEL_VA, entries.slice(0, level + 1));
          // Below the limit the address is not RAM either, so a load reports it.
          expect(machine.cpu.load64(high(KERNEL_VA), low(KERNEL_VA))).toBe(FAULT);
          expect(machine.cpu.fault).toMatchObject({ kind: FaultKind.ADDRESS_SIZE, level });
          expect(machine.cpu.fault.syndromeLow).toBe(0x96000000 | level);
          const translates = level === 3 && position < bits;
          expect(machine.cpu.access(high(KERNEL_VA), low(KERNEL_VA), READ, KERNEL) === FAULT).toBe(!translates);
        }
      }
    }
  });
});

test("a read-modify-write is reported as a read exactly if a read would fault for the same reason (Arm ARM, ISS of a data abort, WnR)", () => {
  const wnr = (machine: TestMachine): boolean => (fault(machine, KERNEL_VA, RMW, KERNEL).syndromeLow & 0x40) !== 0;
  expect(wnr(mapped("PAGE_NONE", KERNEL_VA))).toBe(false);
  expect(wnr(mapped("PAGE_KERNEL_RO", KERNEL_VA))).toBe(true);
  expect(wnr(mapped("PAGE_KERNEL", KERNEL_VA, 2))).toBe(false);
  const readable = mapped("PAGE_KERNEL", KERNEL_VA, 1);
  readable.cpu.writePkeyRegister(0, 0x17);
  readable.cpu.synchronise();
  expect(wnr(readable)).toBe(true);
});
