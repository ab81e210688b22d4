import { Access, Privilege } from "@kpkeys/core/contracts";
import { toWords } from "@kpkeys/core/machine";
import { describe, expect, test } from "vitest";
import { createMachine } from "./machine.js";

const VA = 0xffff888004d17350n;
const [P, RW, US, PS, G, XD] = [1n, 2n, 4n, 1n << 7n, 1n << 8n, 1n << 63n];
const UPPER = [P | RW | US, P | RW | US, P | RW | US];

/** A machine whose last access faulted. */
function faulted(
  entries: readonly bigint[],
  access: Access,
  privilege: Privilege,
  va = VA,
): ReturnType<typeof createMachine> {
  const machine = createMachine();
  machine.map(va, entries, entries.length === 4 ? 512 : 0);
  machine.cpu.writePkeyRegister(0, 0x55555558);
  const { high, low } = toWords(va);
  expect(machine.cpu.access(high, low, access, privilege)).not.toBe(0);
  return machine;
}

describe("a fault in the kernel's words", () => {
  const tableEntry = P | RW | G | XD | (1n << 59n);
  const cases = [
    {
      name: "a write without the key",
      entries: [...UPPER, tableEntry],
      access: Access.WRITE,
      privilege: Privilege.KERNEL,
      oops: "#PF: supervisor write access in kernel mode, #PF: error_code(0x0023) - protection keys violation",
      bits: "0x0023 (P|W|PK)",
    },
    {
      name: "a write to a read-only page",
      entries: [...UPPER, P],
      access: Access.WRITE,
      privilege: Privilege.KERNEL,
      oops: "#PF: supervisor write access in kernel mode, #PF: error_code(0x0003) - permissions violation",
      bits: "0x0003 (P|W)",
    },
    {
      name: "a user's fetch from nowhere",
      entries: [0n],
      access: Access.FETCH,
      privilege: Privilege.USER,
      oops: "#PF: user instruction fetch in user mode, #PF: error_code(0x0014) - not-present page",
      bits: "0x0014 (U|I)",
    },
    {
      name: "a read from nowhere",
      entries: [...UPPER, 0n],
      access: Access.READ,
      privilege: Privilege.KERNEL,
      oops: "#PF: supervisor read access in kernel mode, #PF: error_code(0x0000) - not-present page",
      bits: "0x0000",
    },
    {
      name: "a reserved bit",
      entries: [P | PS],
      access: Access.READ,
      privilege: Privilege.KERNEL,
      oops: "#PF: supervisor read access in kernel mode, #PF: error_code(0x0009) - reserved bit violation",
      bits: "0x0009 (P|RSVD)",
    },
  ];

  test.each(cases)("$name", ({ entries, access, privilege, oops, bits }) => {
    const { cpu, tools } = faulted(entries, access, privilege);
    expect(tools.describeFault(cpu.fault)).toBe(
      `BUG: unable to handle page fault for address: ffff888004d17350, ${oops}`,
    );
    expect(tools.faultRegisters(cpu.fault)).toEqual([
      { name: "error code", text: bits },
      { name: "CR2", text: "0xffff888004d17350" },
      { name: "IA32_PKRS", text: "0x55555558" },
    ]);
  });

  test("an address that is not canonical raises #GP, and its registers do not include CR2", () => {
    const machine = createMachine();
    const { cpu, tools } = machine;
    machine.map(VA, UPPER, 512);
    cpu.load64(0xdead0000 | 0, 0x100);
    expect(tools.describeFault(cpu.fault)).toBe(
      "general protection fault, probably for non-canonical address 0xdead000000000100: 0000",
    );
    expect(tools.faultRegisters(cpu.fault).map(({ name }) => name)).toEqual(["error code", "IA32_PKRS"]);
  });
});

describe("a ptdump line", () => {
  const { tools, format } = createMachine();
  const line = (level: number, bits: bigint): string => {
    const { high, low } = toWords(bits);
    return tools.ptdumpColumns(level, high, low).join(" ");
  };

  // Widths and texts of printk_prot of arch/x86/mm/dump_pagetables.c.
  test.each([
    ["PAGE_KERNEL", 3, 0x8000000000000163n, "    RW                 GLB NX pte"],
    ["PAGE_KERNEL_ROX", 3, 0x121n, "    ro                 GLB x  pte"],
    ["a 2 MiB leaf of PAGE_KERNEL", 2, 0x80000000000001e3n, "    RW         PSE     GLB NX pmd"],
    ["a 1 GiB leaf with PAT", 1, 0x11e3n, "    RW         PSE PAT GLB x  pud"],
    ["a page with PAT", 3, 0xa7n, "USR RW             PAT     x  pte"],
    ["an uncached page", 3, 0x800000000000017bn, "    RW PWT PCD         GLB NX pte"],
    ["nothing", 3, 0n, "                              pte"],
  ])("%s", (_name, level, bits, expected) => {
    expect(line(level, bits)).toBe(expected);
  });

  test("has the same columns for every leaf", () => {
    const widths = (level: number, bits: bigint): number[] => {
      const { high, low } = toWords(bits);
      return tools.ptdumpColumns(level, high, low).map(({ length }) => length);
    };
    const all = Object.values(format.protections).map(({ high, low }) =>
      widths(3, (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)),
    );
    for (const each of all) expect(each).toEqual([3, 2, 3, 3, 3, 3, 3, 2, 3]);
  });
});
