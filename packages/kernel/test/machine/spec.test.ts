import { createPluginRegistry } from "@kpkeys/core";
import { expect, it } from "vitest";
import { oddArch } from "../../../../examples/odd-arch/src/index.js";
import { buildMachine } from "../../src/machine/build.js";
import { checkSpec, DEFAULT_SPEC } from "../../src/machine/spec.js";
import type { MachineSpec } from "../../src/machine/spec.js";

const spec = { ...DEFAULT_SPEC, arch: "any" };
const MIB = 1024 * 1024;

it("the default specification is valid", () => {
  expect(() => {
    checkSpec(spec);
  }).not.toThrow();
});

it.each([
  ["no CPU", { cpus: 0 }, "ERR_SPEC", "cpus"],
  ["half a CPU", { cpus: 1.5 }, "ERR_SPEC", "cpus"],
  ["no memory bank", { memory: [] }, "ERR_SPEC", "memory"],
  ["a bank with an unaligned size", { memory: [{ bytes: 4097 }] }, "ERR_SPEC", "memory bank 0"],
  ["a bank without a page", { memory: [{ bytes: 64 * MIB }, { bytes: 0 }] }, "ERR_SPEC", "memory bank 1"],
  ["a bank with a negative size", { memory: [{ bytes: -4 * MIB }] }, "ERR_SPEC", "memory bank 0"],
  [
    "overlapping banks",
    { memory: [{ bytes: 64 * MIB }, { start: 4 * MIB, bytes: 64 * MIB }] },
    "ERR_SPEC",
    "memory bank 1",
  ],
  ["an unknown value of a kernel parameter", { boot: { rodata: "on", kpkeys: "hard" } }, "ERR_SPEC", "boot"],
  ["an unknown policy", { kernel: { exceptionExit: "reset" } }, "ERR_SPEC", "kernel"],
  ["a value of another policy", { kernel: { exceptionEntry: "pte" } }, "ERR_SPEC", "kernel"],
])("rejects %s", (_, change, code, where) => {
  expect(() => {
    checkSpec({ ...spec, ...change } as MachineSpec);
  }).toThrow(expect.objectContaining({ code, where }) as Error);
});

/** Values of all JavaScript types. */
const ANYTHING = [
  ...[null, undefined, 0, -1, 1.5, NaN, "x", true, [], {}, [null], [{}], () => 1, 10n, Symbol("s"), new Date()],
  Object.create(null) as unknown,
];

/** For each field a predicate of its valid values. */
const FIELDS: Record<string, (value: unknown) => boolean> = {
  arch: (value) => typeof value === "string",
  features: (value) => Array.isArray(value) && value.length === 0,
  options: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  memory: () => false,
  cpus: () => false,
  boot: () => false,
  kernel: (value) => value === undefined || (typeof value === "object" && value !== null && !Array.isArray(value)),
  config: (value) => value === undefined || (Array.isArray(value) && value.length === 0),
  kunit: (value) => value === undefined || (typeof value === "object" && value !== null && !Array.isArray(value)),
  strict: (value) => typeof value === "boolean",
  seed: (value) => Number.isInteger(value),
};

it.each(Object.entries(FIELDS))("rejects %s of a wrong type", (field, isValid) => {
  for (const value of ANYTHING.filter((each) => !isValid(each))) {
    expect(() => {
      checkSpec({ ...spec, [field]: value });
    }).toThrow(expect.objectContaining({ name: "KpkeysError", code: "ERR_SPEC" }) as Error);
  }
});

it("rejects wrong types inside a field and in place of a specification", () => {
  const wrong = ANYTHING.filter((value) => value !== undefined);
  const specs = [
    ...ANYTHING,
    ...wrong.flatMap((value) => [
      { ...spec, memory: [value] },
      { ...spec, memory: [{ bytes: value }] },
      { ...spec, boot: { rodata: value } },
      { ...spec, boot: { rodata: "on", kpkeys: value } },
      { ...spec, kernel: { linearMap: value } },
    ]),
  ];
  for (const each of specs) {
    expect(() => {
      checkSpec(each as MachineSpec);
    }).toThrow(expect.objectContaining({ name: "KpkeysError" }) as Error);
  }
});

it("rejects RAM with a hole inside the kernel image", () => {
  const boot = (memory: MachineSpec["memory"]) => (): unknown =>
    buildMachine({ ...spec, arch: oddArch.id, memory }, createPluginRegistry([oddArch]));
  // The image of the example architecture starts 32 MiB after the start of RAM. Its size is 8 MiB.
  const far = { start: 2 ** 32, bytes: 128 * MIB };
  expect(boot([{ bytes: 36 * MIB }, far])).toThrow(
    expect.objectContaining({ code: "ERR_SPEC", where: "memory bank 0" }) as Error,
  );
  expect(boot([{ bytes: 32 * MIB }, { bytes: 32 * MIB }, far])).not.toThrow();
});
