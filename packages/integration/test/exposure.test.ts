import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry } from "@kpkeys/core";
import { Exceptions, Kpkeys, PageTables, Tasks, Vmalloc } from "@kpkeys/core/contracts";
import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { KernelPolicies, Machine } from "@kpkeys/kernel";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import type { PgtablesOptions } from "@kpkeys/pgtables-hardening";
import { ExposureProbe } from "@kpkeys/workloads";
import type { Exposure } from "@kpkeys/workloads";
import { describe, expect, it } from "vitest";
import { ARCHES } from "./machines.js";

/** The probe's counts of some work on a newly booted machine. */
function seen(
  arch: string,
  pgtables: PgtablesOptions,
  work: (machine: Machine) => void,
  kernel: KernelPolicies = {},
): Exposure {
  const probe = new ExposureProbe("key register");
  const spec = {
    ...DEFAULT_SPEC,
    arch,
    memory: [{ bytes: 128 * 1024 * 1024 }],
    features: ["pgtables", probe.plugin.id],
    options: { pgtables: { ...pgtables } },
    kernel,
  };
  const machine = buildMachine(spec, createPluginRegistry([arm64Poe, x86Pks, pgtablesHardening, probe.plugin]));
  // Makes the tables that are missing.
  machine.get(Vmalloc).free(machine.get(Vmalloc).alloc(8)!);
  probe.start();
  work(machine);
  return probe.result();
}

/** vmalloc and vfree of 8 pages: 16 entries written, in two lazy MMU sections. */
function mapAndUnmap(machine: Machine): void {
  const vmalloc = machine.get(Vmalloc);
  vmalloc.free(vmalloc.alloc(8)!);
}

describe.each(ARCHES)("how long tables are writable on %s", (arch) => {
  it("with a guard in every setter: for one entry each", () => {
    const { windows, writes, reads, longest, operations, exposedOperations } = seen(
      arch,
      { batching: false },
      mapAndUnmap,
    );
    expect({ windows, writes, reads, longest }).toEqual({ windows: 16, writes: 16, reads: 0, longest: 1 });
    expect([operations, exposedOperations]).toEqual([2, 2]);
  });

  it("with lazy MMU sections: for the entries of a section", () => {
    const { windows, writes, longest } = seen(arch, { batching: true }, mapAndUnmap);
    expect({ windows, writes, longest }).toEqual({ windows: 2, writes: 16, longest: 8 });
  });

  it("with operations: for all that they do, reading and invalidating included", () => {
    const { windows, writes, reads, share, tlbInvalidations, exposedOperations } = seen(
      arch,
      { batching: false, placement: "operation" },
      mapAndUnmap,
    );
    expect({ windows, writes, share, tlbInvalidations, exposedOperations }).toEqual({
      windows: 2,
      writes: 16,
      share: 1,
      tlbInvalidations: 1,
      exposedOperations: 2,
    });
    expect(reads).toBeGreaterThan(0);
  });

  it("counts no operation that opens nothing", () => {
    const { windows, operations, exposedOperations } = seen(arch, {}, (machine) => {
      expect(machine.get(Vmalloc).mapRam([])).toBeGreaterThan(0);
    });
    expect([windows, operations, exposedOperations]).toEqual([0, 1, 0]);
  });

  it.each([
    ["inherit", 1],
    ["reset", 0],
  ] as const)(
    "reports a handler that begins with tables writable: exception entry %s, %i",
    (exceptionEntry, privileged) => {
      const interrupted = (machine: Machine): void => {
        const kpkeys = machine.get(Kpkeys);
        const exceptions = machine.get(Exceptions);
        exceptions.interrupt(() => undefined);
        const state = kpkeys.enterContext("PGTABLES");
        exceptions.interrupt(() => undefined);
        kpkeys.leaveContext(state);
      };
      const { exceptions, privilegedExceptions } = seen(arch, {}, interrupted, { exceptionEntry });
      expect([exceptions, privilegedExceptions]).toEqual([2, privileged]);
    },
  );

  it("reports a task switched out and a table page allocated in a window", () => {
    const { contextSwitches, tablePages } = seen(arch, {}, (machine) => {
      const kpkeys = machine.get(Kpkeys);
      const tasks = machine.get(Tasks);
      const here = tasks.current;
      const state = kpkeys.enterContext("PGTABLES");
      tasks.switchTo(tasks.create(undefined));
      tasks.switchTo(here);
      machine.get(PageTables).allocTable("kernel");
      kpkeys.leaveContext(state);
      machine.get(PageTables).allocTable("kernel");
    });
    expect(contextSwitches).toBeGreaterThanOrEqual(1);
    expect(tablePages).toBe(1);
  });
});

it("a probe that is attached to no machine is a coded error", () => {
  expect(() => new ExposureProbe("table lock").result()).toThrow(
    expect.objectContaining({ code: "ERR_API_MISUSE" }) as Error,
  );
});
