import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry, KpkeysError } from "@kpkeys/core";
import { credHardening } from "@kpkeys/cred-hardening";
import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { MachineSpec } from "@kpkeys/kernel";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, test } from "vitest";

const MiB = 2 ** 20;
const registry = createPluginRegistry([arm64Poe, x86Pks, pgtablesHardening, credHardening]);

/** The error of a machine; `undefined` if it boots. Any other exception fails the test. */
function errorOf(arch: string, bytes: number, more: Partial<MachineSpec> = {}): KpkeysError | undefined {
  try {
    buildMachine({ ...DEFAULT_SPEC, arch, memory: [{ bytes }], ...more }, registry);
    return undefined;
  } catch (error) {
    if (error instanceof KpkeysError) return error;
    throw error;
  }
}

describe.each([
  ["arm64-poe", {}],
  ["arm64-poe", { pageSize: 65536 }],
  ["x86-pks", {}],
] as const)("on %s with the options %j", (arch, options) => {
  const features = ["pgtables", "cred"];

  test("a machine of any size from 1 MiB up boots, or the error gives the least that does", () => {
    let least = 0;
    for (let mib = 1; mib <= 44; mib++) {
      const error = errorOf(arch, mib * MiB, { features, options: { [arch]: options } });
      if (mib % 4 !== 0) {
        expect([mib, error?.code, error?.where]).toEqual([mib, "ERR_SPEC", "memory bank 0"]);
      } else if (error !== undefined) {
        expect([mib, error.code]).toEqual([mib, "ERR_OUT_OF_MEMORY"]);
        least = Number(/at least (\d+) MiB/.exec(error.message)![1]);
        expect(least).toBeGreaterThan(mib);
      } else expect(mib).toBeGreaterThanOrEqual(least);
    }
    expect(errorOf(arch, least * MiB, { features, options: { [arch]: options } })).toBeUndefined();
  });
});

test("a page that a feature refuses is no lack of memory", () => {
  const spec = { features: ["pgtables"], kernel: { linearMap: "block" } } as const;
  const error = errorOf("x86-pks", 64 * MiB, spec)!;
  expect([error.code, error.where]).toEqual(["ERR_SPEC", "phase mem_init"]);
  expect(error.message).toContain("kernel.linearMap 'pte'");
  const options = { pgtables: { tagging: "block-allocator" } };
  expect(errorOf("x86-pks", 64 * MiB, { ...spec, options })).toBeUndefined();
});
