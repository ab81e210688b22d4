import { createPluginRegistry } from "@kpkeys/core";
import { expect, it } from "vitest";
import { oddArch } from "../../../../examples/odd-arch/src/index.js";
import { buildMachine } from "../../src/machine/build.js";
import { checkSpec, DEFAULT_SPEC } from "../../src/machine/spec.js";
import type { MachineSpec } from "../../src/machine/spec.js";

const spec = { ...DEFAULT_SPEC, arch: "any" };
const MIB = 1024 * 1024;

it("the usual specification is sound", () => {
  expect(() => {
    checkSpec(spec);
  }).not.toThrow();
});

it.each([
  ["no CPU", { cpus: 0 }, "ERR_SPEC", /cpus: 0 CPUs; expected 1 to 64/],
  ["half a CPU", { cpus: 1.5 }, "ERR_SPEC", /expected 1 to 64/],
  ["no memory bank", { memory: [] }, "ERR_SPEC", /no bank/],
  ["a bank of odd size", { memory: [{ bytes: 4097 }] }, "ERR_SPEC", /bank 0: 4097 bytes; expected a multiple of 4 MiB/],
  ["a negative size", { memory: [{ bytes: -4 * MIB }] }, "ERR_SPEC", /multiple of 4 MiB/],
  [
    "overlapping banks",
    { memory: [{ bytes: 64 * MIB }, { start: 4 * MIB, bytes: 64 * MIB }] },
    "ERR_SPEC",
    /bank 1: banks overlap/,
  ],
  [
    "too little memory",
    { memory: [{ bytes: 32 * MIB }] },
    "ERR_OUT_OF_MEMORY",
    /32 MiB of memory; expected at least 64 MiB/,
  ],
  ["an unknown kernel parameter value", { boot: { rodata: "on", kpkeys: "hard" } }, "ERR_SPEC", /boot: kpkeys=hard/],
  [
    "a policy that there is not",
    { kernel: { exceptionExit: "reset" } },
    "ERR_SPEC",
    /kernel: exceptionExit is "reset"; expected exceptionEntry, switchPkeyRegister, resumeInitialisesRegister, linearMap/,
  ],
  [
    "a policy with another's value",
    { kernel: { exceptionEntry: "pte" } },
    "ERR_SPEC",
    /expected "inherit" or "reset" or "reset-lazy-paused"/,
  ],
])("refuses %s", (_, change, code, message) => {
  expect(() => {
    checkSpec({ ...spec, ...change } as MachineSpec);
  }).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) as string }) as Error);
});

/** Values of every kind that JavaScript has. */
const ANYTHING = [
  ...[null, undefined, 0, -1, 1.5, NaN, "x", true, [], {}, [null], [{}], () => 1, 10n, Symbol("s"), new Date()],
  Object.create(null) as unknown,
];

/** Fields with the values that they take; of all others each is ERR_SPEC. */
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

it.each(Object.entries(FIELDS))("%s of any wrong type is ERR_SPEC", (field, isRight) => {
  for (const value of ANYTHING.filter((each) => !isRight(each))) {
    expect(() => {
      checkSpec({ ...spec, [field]: value });
    }).toThrow(expect.objectContaining({ name: "KpkeysError", code: "ERR_SPEC" }) as Error);
  }
});

it("anything below a field, and in place of a specification, is ERR_SPEC", () => {
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

it("RAM that the kernel image does not fit into is ERR_SPEC, whatever is behind a hole", () => {
  const boot = (memory: MachineSpec["memory"]) => (): unknown =>
    buildMachine({ ...spec, arch: oddArch.id, memory }, createPluginRegistry([oddArch]));
  // The example's image begins 32 MiB after the start of RAM and has 8 MiB.
  const far = { start: 2 ** 32, bytes: 128 * MIB };
  expect(boot([{ bytes: 36 * MIB }, far])).toThrow(
    expect.objectContaining({ code: "ERR_SPEC", where: "memory bank 0" }) as Error,
  );
  expect(boot([{ bytes: 32 * MIB }, { bytes: 32 * MIB }, far])).not.toThrow();
});
