import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry, resolve } from "@kpkeys/core";
import {
  AddressSpaces,
  ArchTools,
  Errno,
  Exceptions,
  ExtensionPoints,
  FaultKind,
  Kpkeys,
  LazyMmu,
  LinearMap,
  PageTableFormat,
  PageTables,
  SetMemory,
  Tasks,
  toLevel,
  toPkey,
  toVpn,
} from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import { buildMachine, DEFAULT_SPEC, KernelFault } from "@kpkeys/kernel";
import type { KernelPolicies, Machine } from "@kpkeys/kernel";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened } from "./machines.js";

const ENTRIES = ["inherit", "reset", "reset-lazy-paused"] as const;

function machineWith(arch: string, kernel: KernelPolicies, pgtables = {}): Machine {
  return hardened(arch, pgtables, { kernel });
}

/** Whether a stray store to a live table page goes through now. */
function tablesAreOpen(machine: Machine): boolean {
  const linearMap = machine.get(LinearMap);
  const page = [...machine.get(AddressSpaces).all][0]!.root;
  return machine.cpus.current.store64(linearMap.address(page).high, linearMap.address(page).low, 0, 0) === 0;
}

function faultOf(call: () => void): KernelFault {
  try {
    call();
  } catch (error) {
    if (error instanceof KernelFault) return error;
    throw error;
  }
  throw new Error("no fault");
}

/**
 * The crash that made v7 drop the reset: a thread in lazy MMU mode is interrupted, rescheduled on the way out of the interrupt, and
 * before the exception returns it changes an attribute of the linear map.
 */
function changeLinearMapOnIrqExit(machine: Machine): void {
  const tasks = machine.get(Tasks);
  const [first, second] = [tasks.create(undefined), tasks.create(undefined)];
  const page = machine.get(PageTables).allocTable("kernel", toLevel(3))!;
  const linearMap = machine.get(LinearMap);
  tasks.switchTo(first);
  machine.get(LazyMmu).enable();
  machine.get(Exceptions).interrupt(
    () => undefined,
    () => {
      tasks.switchTo(second);
      tasks.switchTo(first);
      expect(machine.get(SetMemory).setMemoryPkey(linearMap.pageOf(page), 1, toPkey(0))).toBe(0);
    },
  );
  machine.get(LazyMmu).disable();
}

describe("the exception-entry crash of v6, as Kevin Brodsky reported it in May 2026", () => {
  it("arm64 resets, and faults with exactly that ESR at level 3", () => {
    const machine = machineWith("arm64-poe", { exceptionEntry: "reset" });
    const { report } = faultOf(() => {
      changeLinearMapOnIrqExit(machine);
    });
    const registers = machine.get(ArchTools).faultRegisters(report);
    expect(registers.find(({ name }) => name === "ESR_EL1")?.text).toBe("0x000000409600004f");
    expect(report.level).toBe(3);
    // POIndex is 1, and the other bits of the leaf, without address and memory type: 0x10e8_...._...._.70x.
    expect(report.pkey).toBe(1);
    expect(report.entryHigh & 0xffff0000).toBe(0x10e80000);
    expect(report.entryLow & 0xfe3).toBe(0x703);
    expect(report.pkeyRegisterLow).toBe(machine.get(Kpkeys).initialValue().low);
  });

  it("x86 with an auxiliary pt_regs faults too, on the key", () => {
    const { report } = faultOf(() => {
      changeLinearMapOnIrqExit(machineWith("x86-pks", { exceptionEntry: "reset" }));
    });
    expect(report.syndromeLow).toBe(0x23);
    expect(report.pkey).toBe(1);
  });

  it.each(ARCHES.flatMap((arch) => [[arch, "inherit"] as const, [arch, "reset-lazy-paused"] as const]))(
    "%s does not fault with %s",
    (arch, exceptionEntry) => {
      const machine = machineWith(arch, { exceptionEntry });
      changeLinearMapOnIrqExit(machine);
      expect(machine.get(LazyMmu).isEnabled()).toBe(false);
      expect(machine.cpus.current.pkeyRegisterLow).toBe(machine.get(Kpkeys).initialValue().low);
    },
  );

  it.each(ARCHES)("%s does not fault without batching, under any policy", (arch) => {
    for (const exceptionEntry of ENTRIES) {
      changeLinearMapOnIrqExit(machineWith(arch, { exceptionEntry }, { batching: false }));
    }
  });
});

describe.each(ARCHES)("v4's batching on %s", (arch) => {
  const freeInInterrupt = (machine: Machine): void => {
    const table = machine.get(PageTables).allocTable("kernel", toLevel(3))!;
    machine.get(LazyMmu).enable();
    machine.get(Exceptions).interrupt(() => {
      machine.get(PageTables).freeTable(table);
    });
    machine.get(LazyMmu).disable();
  };

  it("crashes where a table page is freed in an interrupt of a lazy MMU section, when entry resets the register", () => {
    const machine = machineWith(arch, { exceptionEntry: "reset" }, { batchingInInterrupt: true });
    const { report } = faultOf(() => {
      freeInInterrupt(machine);
    });
    expect(report.pkey).toBe(1);
  });

  it("does not once the guard asks for interrupts too (v5), nor where the handler inherits", () => {
    freeInInterrupt(machineWith(arch, { exceptionEntry: "reset" }, { batchingInInterrupt: false }));
    freeInInterrupt(machineWith(arch, { exceptionEntry: "inherit" }, { batchingInInterrupt: true }));
    freeInInterrupt(machineWith(arch, { exceptionEntry: "reset-lazy-paused" }, { batchingInInterrupt: true }));
  });
});

describe.each(ARCHES)("a handler on %s", (arch) => {
  it.each(ENTRIES)(
    "with %s is privileged only where it inherits, and the interrupted code still is after",
    (policy) => {
      const machine = machineWith(arch, { exceptionEntry: policy });
      machine.get(AddressSpaces).create();
      const kpkeys = machine.get(Kpkeys);
      const state = kpkeys.enterContext("PGTABLES");
      let open: boolean | undefined;
      machine.get(Exceptions).interrupt(() => {
        open = tablesAreOpen(machine);
        expect(machine.get(Exceptions).inInterrupt).toBe(true);
      });
      expect(open).toBe(policy === "inherit");
      expect(machine.get(Exceptions).inInterrupt).toBe(false);
      expect(tablesAreOpen(machine)).toBe(true);
      kpkeys.leaveContext(state);
      expect(tablesAreOpen(machine)).toBe(false);
    },
  );

  it.each(ENTRIES)("with %s may be interrupted itself, inside its own section and context", (policy) => {
    const machine = machineWith(arch, { exceptionEntry: policy });
    machine.get(AddressSpaces).create();
    const exceptions = machine.get(Exceptions);
    const lazy = machine.get(LazyMmu);
    const kpkeys = machine.get(Kpkeys);
    const before = machine.cpus.current.pkeyRegisterLow;
    lazy.enable();
    exceptions.interrupt(() => {
      const state = kpkeys.enterContext("PGTABLES");
      exceptions.interrupt(() => {
        expect(tablesAreOpen(machine)).toBe(policy === "inherit");
      });
      expect(tablesAreOpen(machine)).toBe(true);
      kpkeys.leaveContext(state);
    });
    expect(tablesAreOpen(machine)).toBe(true);
    lazy.disable();
    expect(machine.cpus.current.pkeyRegisterLow).toBe(before);
    expect(tablesAreOpen(machine)).toBe(false);
  });

  it("keeps a context that was entered inside the lazy MMU section, though pausing leaves the section", () => {
    const machine = machineWith(arch, { exceptionEntry: "reset-lazy-paused" });
    const kpkeys = machine.get(Kpkeys);
    const { current } = machine.cpus;
    machine.get(LazyMmu).enable();
    const state = kpkeys.enterContext("DEFAULT");
    const inside = current.pkeyRegisterLow;
    machine.get(Exceptions).interrupt(() => {
      expect(machine.get(LazyMmu).isEnabled()).toBe(false);
    });
    expect(current.pkeyRegisterLow).toBe(inside);
    kpkeys.leaveContext(state);
    expect(current.pkeyRegisterLow).not.toBe(inside);
    machine.get(LazyMmu).disable();
    expect(current.pkeyRegisterLow).toBe(kpkeys.initialValue().low);
  });

  it("costs what the entry code writes: nothing, or a reset with its barrier and a restore without one", () => {
    const barrier = arch === "arm64-poe" ? 1 : 0;
    const costs = ENTRIES.map((policy) => {
      const machine = machineWith(arch, { exceptionEntry: policy });
      const { counters } = machine.get(Exceptions);
      const cost = (run: () => void): readonly number[] => {
        const { entries, registerWrites, barriers } = counters;
        run();
        return [counters.entries - entries, counters.registerWrites - registerWrites, counters.barriers - barriers];
      };
      const interrupt = (): void => {
        machine.get(Exceptions).interrupt(() => undefined);
      };
      const inDefault = cost(interrupt);
      const state = machine.get(Kpkeys).enterContext("PGTABLES");
      const inPgtables = cost(interrupt);
      machine.get(Kpkeys).leaveContext(state);
      return [inDefault, inPgtables];
    });
    expect(costs[0]).toEqual([[1, 0, 0], [1, 0, 0]]); // prettier-ignore
    for (const cost of costs.slice(1)) expect(cost).toEqual([[1, 1, 0], [1, 2, barrier]]); // prettier-ignore
  });

  it("allows no task switch, and an inner interrupt has no separate exit", () => {
    const machine = machineWith(arch, {});
    const task = machine.get(Tasks).create(undefined);
    const exceptions = machine.get(Exceptions);
    expect(() => {
      exceptions.interrupt(() => {
        machine.get(Tasks).switchTo(task);
      });
    }).toThrow(expect.objectContaining({ code: "ERR_API_MISUSE" }) as Error);
    const another = machineWith(arch, {}).get(Exceptions);
    expect(() => {
      another.interrupt(() => {
        another.interrupt(
          () => undefined,
          () => undefined,
        );
      });
    }).toThrow(expect.objectContaining({ code: "ERR_API_MISUSE" }));
  });

  it("a machine without kernel pkeys has no register to reset", () => {
    const machine = hardened(arch, {}, { kernel: { exceptionEntry: "reset" }, options: { [arch]: { pkeys: false } } });
    machine.get(Exceptions).interrupt(() => undefined);
    expect(machine.get(Exceptions).counters).toMatchObject({ entries: 1, registerWrites: 0, barriers: 0 });
  });

  it("a fault of copy_to_user is taken from kernel mode, and the fault handler runs by the same policy", () => {
    const machine = machineWith(arch, { exceptionEntry: "reset" });
    const spaces = machine.get(AddressSpaces);
    const tasks = machine.get(Tasks);
    const mm = spaces.create();
    tasks.switchTo(tasks.create(mm));
    spaces.mmap(mm, toVpn(0x1000), 1, 3, 0x22);
    const { counters } = machine.get(Exceptions);
    const before = counters.entries;
    expect(spaces.touch(mm, toVpn(0x1000), 2, 0)).toBe(1);
    expect(counters.entries).toBe(before);
    spaces.mmap(mm, toVpn(0x1000), 1, 3, 0x22);
    expect(spaces.touch(mm, toVpn(0x1000), 2, 2)).toBe(1);
    expect(counters.entries).toBe(before + 1);
    expect(machine.get(PageTableFormat).geometry.levels).toHaveLength(4);
  });
});

describe.each(ARCHES)("a feature that reports a fault as fixed and has not fixed it, on %s", (arch) => {
  it("is asked eight times for one access; then the fault is what it is", () => {
    let asked = 0;
    const liar: Plugin = {
      id: "liar",
      kind: "feature",
      description: "fixes nothing",
      contract: 2,
      setup(container) {
        resolve(container, ExtensionPoints).on("kernelFault", () => ++asked > 0);
      },
    };
    const registry = createPluginRegistry([arm64Poe, x86Pks, liar]);
    const machine = buildMachine({ ...DEFAULT_SPEC, arch, features: ["liar"] }, registry);
    expect(machine.get(Exceptions).copyToKernelNofault({ high: 0, low: 0x1000 }, new Uint8Array(8))).toBe(Errno.EFAULT);
    expect(asked).toBe(8);
  });
});

describe("a user address in a kernel thread without an address space", () => {
  it("is a translation fault of level 0 on arm64, as in reserved_pg_dir", () => {
    const machine = hardened("arm64-poe");
    const cpu = machine.cpus.current;
    expect(cpu.store64(0, 0x1000, 0, 0)).not.toBe(0);
    const registers = machine.get(ArchTools).faultRegisters(cpu.fault);
    expect(cpu.fault).toMatchObject({ kind: FaultKind.TRANSLATION, level: 0 });
    // EC 0x25, IL, WnR, DFSC 0b000100.
    expect(BigInt(registers.find(({ name }) => name === "ESR_EL1")!.text) & 0xffff_ffffn).toBe(0x9600_0044n);
  });
});
