import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { KpkeysError } from "@kpkeys/core";
import { Access, OK, Privilege } from "@kpkeys/core/contracts";
import type { Plugin, PluginOptions } from "@kpkeys/core/contracts";
import { BareMachine } from "@kpkeys/core/machine";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, test } from "vitest";
import { frameKeys } from "../../../examples/frame-keys/src/index.js";
import { oddArch } from "../../../examples/odd-arch/src/index.js";

const ADDRESS = 0xffff_ffff_c020_0000n;

const machines: readonly (readonly [string, Plugin, PluginOptions, bigint])[] = [
  ["arm64-poe", arm64Poe, {}, ADDRESS],
  ["arm64-poe, 64 KiB pages, 52 bits", arm64Poe, { pageSize: 65536, vaBits: 52 }, ADDRESS],
  ["x86-pks", x86Pks, {}, ADDRESS],
  ["x86-pks, 5 levels", x86Pks, { levels: 5 }, ADDRESS],
  ["odd-arch", oddArch, {}, ADDRESS],
  ["frame-keys", frameKeys, {}, ADDRESS],
];

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof KpkeysError ? error.code : String(error);
  }
}

describe.each(machines)("%s", (_name, arch, options, address) => {
  function mapped(pkey: number): BareMachine {
    const machine = new BareMachine(arch, options);
    machine.map(address, "PAGE_KERNEL", pkey);
    return machine;
  }

  test("key 0 allows everything from the start, another key nothing", () => {
    expect(mapped(0).store(address, 42n)).toBeUndefined();
    expect(mapped(1).store(address, 42n)).toMatchObject({ kind: "PKEY", address, pkey: 1 });
  });

  test("the key register decides a store to a page with a key", () => {
    const machine = mapped(1);
    machine.setRights({ 1: "rw" });
    expect(machine.store(address + 8n, 0xfedc_ba98_7654_3210n)).toBeUndefined();
    machine.setRights({ 1: "r" });
    expect(machine.load(address + 8n)).toBe(0xfedc_ba98_7654_3210n);
    expect(machine.store(address + 8n, 1n)?.kind).toBe("PKEY");
    expect(machine.load(address + 8n)).toBe(0xfedc_ba98_7654_3210n);
  });

  test("a fault is a value: the next fault leaves it as it is", () => {
    const machine = mapped(1);
    const first = machine.load(address);
    const copy = { ...(first as object) };
    expect(machine.store(address + 0x1000_0000n, 1n)).toMatchObject({ kind: "TRANSLATION", pkey: 0 });
    expect(first).toEqual(copy);
    expect(first).toMatchObject({ kind: "PKEY", address });
  });

  test("a second map changes protection and key of the page, and keeps its frame", () => {
    const machine = new BareMachine(arch, options);
    const pfn = machine.map(address, "PAGE_KERNEL");
    expect(machine.store(address, 42n)).toBeUndefined();
    expect(machine.map(address, "PAGE_KERNEL_RO")).toBe(pfn);
    expect(machine.store(address, 43n)?.kind).toBe("PERMISSION");
    expect(machine.load(address)).toBe(42n);
    machine.map(address, "PAGE_KERNEL", 1);
    expect(machine.load(address)).toMatchObject({ kind: "PKEY" });
  });

  test("user pages are mapped below the user's root", () => {
    const machine = new BareMachine(arch, options);
    machine.map(0x40_0000n, "PAGE_SHARED");
    expect(machine.cpu.access(0, 0x40_0000, Access.WRITE, Privilege.USER)).toBe(OK);
    expect(machine.cpu.access(0, 0x80_0000, Access.WRITE, Privilege.USER)).not.toBe(OK);
  });

  test("impossible addresses and keys are refused", () => {
    const machine = mapped(1);
    expect(codeOf(() => machine.map(0x7fff_0000_0000_0000n, "PAGE_KERNEL"))).toBe("ERR_API_MISUSE");
    expect(codeOf(() => machine.map(address, "PAGE_KERNEL", 32))).toBe("ERR_API_MISUSE");
    expect(codeOf(() => machine.load(address + 4n))).toBe("ERR_API_MISUSE");
    expect(codeOf(() => machine.load(-8n))).toBe("ERR_API_MISUSE");
    expect(codeOf(() => machine.store(1n << 64n, 0n))).toBe("ERR_API_MISUSE");
    expect(
      codeOf(() => {
        machine.setRights({ 32: "r" });
      }),
    ).toBe("ERR_API_MISUSE");
  });

  test("RAM ends with its 1,024 pages", () => {
    const machine = mapped(0);
    const pageBytes = arch === oddArch ? 0x4000n : BigInt((options["pageSize"] as number | undefined) ?? 4096);
    const fill = (): void => {
      for (let page = 1n; page <= 1024n; page++) machine.map(address + page * pageBytes, "PAGE_KERNEL");
    };
    expect(codeOf(fill)).toBe("ERR_OUT_OF_MEMORY");
  });
});

test("a feature is no architecture", () => {
  expect(codeOf(() => new BareMachine(pgtablesHardening))).toBe("ERR_PLUGIN_ARCH");
});
