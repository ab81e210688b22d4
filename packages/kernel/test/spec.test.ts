import { expect, it } from "vitest";
import { checkSpec, DEFAULT_SPEC } from "../src/spec.js";
import type { MachineSpec } from "../src/spec.js";

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
