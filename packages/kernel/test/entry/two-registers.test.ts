import { pkeyValueOf, writePkeyValue } from "@kpkeys/core";
import { CpuPower, Exceptions, KeyRegisters, Kpkeys, toPkey } from "@kpkeys/core/contracts";
import type { PkeyValue } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { boot } from "../support/machine.js";

/** A value that differs from the initial one in both registers of the example architecture. */
const OTHER: PkeyValue = { high: 1, low: 2, fetch: { high: 4, low: 5 } };

describe("the key register and the register for fetches", () => {
  it("have their initial values from boot on, and after a resume", () => {
    const machine = boot({ cpus: 2 });
    const initial = machine.get(Kpkeys).initialValue();
    expect(initial.fetch).toBeDefined();
    expect(machine.cpus.all.map(pkeyValueOf)).toEqual([initial, initial]);
    writePkeyValue(machine.cpus.all[1]!, OTHER);
    machine.get(CpuPower).suspend(1);
    machine.get(CpuPower).resume(1);
    expect(pkeyValueOf(machine.cpus.all[1]!)).toEqual(initial);
  });

  it.each([
    ["reset", 4],
    ["inherit", 0],
  ] as const)("are saved and restored by an exception of policy %s, with %d writes", (exceptionEntry, writes) => {
    const machine = boot({ kernel: { exceptionEntry } });
    const cpu = machine.cpus.current;
    const initial = machine.get(Kpkeys).initialValue();
    const { counters } = machine.get(Exceptions);
    writePkeyValue(cpu, OTHER);
    const before = { ...counters };
    let inside: PkeyValue | undefined;
    machine.get(Exceptions).interrupt(() => (inside = pkeyValueOf(cpu)));
    expect([inside, pkeyValueOf(cpu)]).toEqual([exceptionEntry === "reset" ? initial : OTHER, OTHER]);
    expect(counters.registerWrites - before.registerWrites).toBe(writes);
  });

  it("both get a right granted everywhere, also in exceptions that have not returned", () => {
    const machine = boot({ kernel: { exceptionEntry: "reset" } });
    const cpu = machine.cpus.current;
    writePkeyValue(cpu, { high: -1, low: -1, fetch: { high: -1, low: -1 } });
    machine.get(Exceptions).interrupt(() => {
      machine.get(KeyRegisters).grantEverywhere(toPkey(1), "rwx");
    });
    // Key 1 has bits 61 and 60 of AMR and bit 60 of IAMR.
    expect(pkeyValueOf(cpu)).toEqual({ high: ~(3 << 28), low: -1, fetch: { high: ~(1 << 28), low: -1 } });
  });
});
