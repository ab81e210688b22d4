import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry, KpkeysError, overriding, provide, resolve, toBytes } from "@kpkeys/core";
import {
  CpuPower,
  Exceptions,
  KernelMemory,
  Kpkeys,
  KpkeysArch,
  PageAllocator,
  PhysicalMemory,
  Rcu,
  SetMemory,
  Tasks,
  toPfn,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { ContextName, Guard, PhysAddr, Plugin, Task } from "@kpkeys/core/contracts";
import { buildMachine, coverageOf, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { attack, countResults, formatKtap, runSuites } from "@kpkeys/kunit-suite";
import { machineOptionsOf, SERIES } from "@kpkeys/scenarios";
import type { SeriesName } from "@kpkeys/scenarios";
import { secretKeys, SECRETS, ThreadSecrets } from "@kpkeys/secret-keys";
import { describe, expect, it } from "vitest";
import { ARCHES, machine } from "./machines.js";

const NAMES = Object.keys(SERIES) as SeriesName[];
const SECRET = { features: ["secrets"] } satisfies Partial<MachineSpec>;

/** A machine with two threads, the second running. */
function threads(booted: Machine): Machine {
  const tasks = booted.get(Tasks);
  tasks.create(undefined);
  tasks.switchTo(tasks.create(undefined));
  return booted;
}

const slotOf = (booted: Machine, task: Task = booted.get(Tasks).current): PhysAddr =>
  booted.get(ThreadSecrets).slotOf(task.tid)!;

/** The words of a slot in physical memory, without page tables and keys. */
function contentOf(booted: Machine, slot: PhysAddr): Int32Array {
  const { pageBytes } = booted.get(KernelMemory);
  const words = new Int32Array(SECRETS.size / 4);
  for (let word = 0; word < words.length; word += 2) {
    const offset = (slot % pageBytes) + word * 4;
    const { high, low } = booted.get(PhysicalMemory).read(toPfn(Math.floor(slot / pageBytes)), offset / 8);
    words.set([low, high], word);
  }
  return words;
}

/** Whether `copy_from_kernel_nofault` reads the current thread's secrets, in the context of the moment. */
function isReadable(booted: Machine, slot = slotOf(booted)): boolean {
  const { high, low } = booted.get(KernelMemory).linearAddress(slot);
  return typeof booted.get(Exceptions).copyFromKernelNofault({ high, low }, SECRETS.size) !== "number";
}

function isWritable(booted: Machine, slot = slotOf(booted)): boolean {
  const [low, high] = contentOf(booted, slot) as unknown as [number, number];
  const address = booted.get(KernelMemory).linearAddress(slot);
  return booted.get(Exceptions).copyToKernelNofault(address, toBytes({ high, low }, "little")) === 0;
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof KpkeysError) return error.code;
    throw error;
  }
  return "nothing thrown";
}

describe.each(ARCHES)("secrets of threads on %s", (arch) => {
  it("pass their KUnit suite, with the other features too, and leave the machine as it was", () => {
    const booted = machine(arch, SECRET);
    const { freePages } = booted.get(PageAllocator);
    const results = runSuites(booted);
    expect(results.map(({ name }) => name)).toEqual(["kpkeys_secret_keys"]);
    expect(countResults(results)).toEqual({ passed: 5, failed: 0, skipped: 0 });
    expect(countResults(runSuites(booted))).toEqual({ passed: 5, failed: 0, skipped: 0 });
    booted.get(Rcu).synchronize();
    expect([booted.get(ThreadSecrets).threads, booted.get(PageAllocator).freePages <= freePages]).toEqual([1, true]);
    const all = machine(arch, { features: ["pgtables", "cred", "secrets"], cpus: 2 });
    expect(countResults(runSuites(all))).toEqual({ passed: 12, failed: 0, skipped: 0 });
  });

  it("skip the cases of denied accesses on a CPU without kernel pkeys; the rest works there, without a key", () => {
    const booted = machine(arch, { ...SECRET, options: { [arch]: { pkeys: false } } });
    const results = runSuites(booted);
    expect(formatKtap(results)).toContain("ok 1 read_current_secrets # SKIP kpkeys are not supported");
    expect(countResults(results)).toEqual({ passed: 3, failed: 0, skipped: 2 });
    expect([booted.counters().setMemoryPkeyCalls, isReadable(booted)]).toEqual([0, true]);
  });

  it("are denied in DEFAULT, read by one context and written by the other", () => {
    const booted = threads(machine(arch, SECRET));
    const kpkeys = booted.get(Kpkeys);
    const inContext = (name: ContextName): boolean[] => {
      const state = kpkeys.enterContext(name as "DEFAULT");
      const rights = [isReadable(booted), isWritable(booted)];
      kpkeys.leaveContext(state);
      return rights;
    };
    expect(["DEFAULT", "SECRETS_READ", "SECRETS_WRITE"].map((name) => inContext(name as ContextName))).toEqual([
      [false, false],
      [true, false],
      [true, true],
    ]);
  });

  it("are attacked in every slot and hold; with the keys off the same accesses all go through", () => {
    const closed = threads(machine(arch, { ...SECRET, cpus: 2 }));
    const held = attack(closed, closed.scan());
    expect(held.gaps).toEqual([]);
    // Three words of each slot, of the idle tasks and of two threads, are stored to and loaded from.
    expect(held).toMatchObject({ tried: 24, blocked: 24, loads: { tried: 12, blocked: 12 } });
    expect(coverageOf(closed, closed.scan())).toMatchObject({
      objects: { thread_secrets: { objects: 4, keyed: 4, readOnly: 0 } },
      gaps: [],
    });

    const open = threads(machine(arch, { ...SECRET, cpus: 2, boot: { rodata: "full", kpkeys: "off" } }));
    const through = attack(open, open.scan());
    expect(through).toMatchObject({ tried: 24, blocked: 0, loads: { tried: 12, blocked: 0 } });
    expect(isReadable(open)).toBe(true);
  });

  it.each(NAMES)("hold with all features in each version of the series: %s", (series) => {
    const options = machineOptionsOf(series, "batched", arch, ["pgtables", "cred", "secrets"]);
    const booted = threads(machine(arch, { ...options, cpus: 2 }));
    const { tried, blocked } = attack(booted, booted.scan()).bySource["thread_secrets"]!;
    expect([tried > 0, blocked]).toEqual([true, tried]);
    expect(coverageOf(booted, booted.scan()).objects).toMatchObject({ thread_secrets: { objects: 4, keyed: 4 } });
    expect([isReadable(booted), isWritable(booted)]).toEqual([false, false]);
  });

  it("hold over a linear map of blocks without hardened page tables", () => {
    const booted = threads(machine(arch, { ...SECRET, kernel: { linearMap: "block" } }));
    expect(attack(booted, booted.scan()).gaps).toEqual([]);
    expect([isReadable(booted), isWritable(booted)]).toEqual([false, false]);
  });

  it("are found open to reads through a second mapping of their page that is read-only, until that has the key", () => {
    const booted = threads(machine(arch, SECRET));
    const pfn = toPfn(Math.floor(slotOf(booted) / booted.get(KernelMemory).pageBytes));
    const alias = booted.get(Vmalloc).mapRam([pfn])!;
    expect(booted.get(SetMemory).setMemoryRo(alias, 1)).toBe(0);
    const objects = [...booted.get(Tasks).all].length;
    const where = { source: "thread_secrets", mapping: "other" };
    expect(coverageOf(booted, booted.scan()).gaps).toMatchObject([where]);
    expect(attack(booted, booted.scan()).gaps).toMatchObject([{ ...where, stores: 0, loads: 3 * objects }]);
    expect(booted.get(SetMemory).setMemoryPkey(alias, 1, booted.get(Kpkeys).pkey("SECRETS"))).toBe(0);
    expect(coverageOf(booted, booted.scan())).toMatchObject({
      objects: { thread_secrets: { objects, keyed: objects } },
      gaps: [],
    });
  });

  it("cost two register writes in each context switch, and one barrier for each write where the register needs it", () => {
    const booted = threads(machine(arch, SECRET));
    const [idle, first] = [...booted.get(Tasks).all];
    const { counters } = booted.get(KpkeysArch);
    for (const next of [first!, idle!]) {
      const { registerWrites, barriers } = { ...counters };
      booted.get(Tasks).switchTo(next);
      expect([counters.registerWrites - registerWrites, counters.barriers - barriers]).toEqual([
        2,
        arch === "arm64-poe" ? 2 : 0,
      ]);
    }
  });

  it("are those of the idle task after resume", () => {
    const booted = threads(machine(arch, { ...SECRET, cpus: 2 }));
    const secrets = booted.get(ThreadSecrets);
    const idle = [...booted.get(Tasks).all][1]!;
    booted.get(CpuPower).suspend(1);
    const { registerWrites } = booted.get(KpkeysArch).counters;
    booted.get(CpuPower).resume(1);
    expect(booted.get(KpkeysArch).counters.registerWrites - registerWrites).toBe(2);
    expect(secrets.installed(1)).toEqual(contentOf(booted, slotOf(booted, idle)));
    expect(booted.cpus.current.id).toBe(0);
  });

  it("follow from the machine's seed", () => {
    const drawn = (seed: number): Int32Array => {
      const booted = threads(machine(arch, { ...SECRET, seed }));
      return contentOf(booted, slotOf(booted));
    };
    expect(drawn(3)).toEqual(drawn(3));
    expect(drawn(3)).not.toEqual(drawn(4));
  });

  it("without memory for a slot a thread is not created, and nothing is lost", () => {
    const booted = machine(arch, { ...SECRET, memory: [{ bytes: 64 * 2 ** 20 }] });
    const tasks = booted.get(Tasks);
    const buddy = booted.get(PageAllocator);
    const slots = booted.get(KernelMemory).pageBytes / SECRETS.slot;
    while (booted.get(ThreadSecrets).threads < slots) tasks.create(undefined);
    const taken = [];
    for (let pfn = buddy.alloc(0); pfn !== undefined; pfn = buddy.alloc(0)) taken.push(pfn);
    const before = [...tasks.all].length;
    expect(codeOf(() => tasks.create(undefined))).toBe("ERR_OUT_OF_MEMORY");
    expect([[...tasks.all].length, booted.get(ThreadSecrets).threads]).toEqual([before, slots]);
    for (const pfn of taken) buddy.free(pfn, 0);
    expect(codeOf(() => tasks.create(undefined))).toBe("nothing thrown");
    expect(coverageOf(booted, booted.scan()).gaps).toEqual([]);
  });

  it("a page loses its key with its last slot, empty", () => {
    const booted = machine(arch, SECRET);
    const tasks = booted.get(Tasks);
    const slots = booted.get(KernelMemory).pageBytes / SECRETS.slot;
    const many = Array.from({ length: slots }, () => tasks.create(undefined));
    const last = slotOf(booted, many.at(-1));
    const pageOf = (slot: number): number => Math.floor(slot / booted.get(KernelMemory).pageBytes);
    expect(new Set([...tasks.all].map((task) => pageOf(slotOf(booted, task)))).size).toBe(2);
    expect([isReadable(booted, last), pageOf(last) === pageOf(slotOf(booted, many[0]))]).toEqual([false, false]);
    tasks.exit(many.pop()!);
    expect(isReadable(booted, last)).toBe(true);
    expect(contentOf(booted, last).every((word) => word === 0)).toBe(true);
    expect(coverageOf(booted, booted.scan()).gaps).toEqual([]);
  });

  describe("without one of its guards the kernel itself faults", () => {
    const without = (context: ContextName): Machine => {
      const broken: Plugin = {
        ...secretKeys,
        setup(container, options) {
          const kpkeys = resolve(container, Kpkeys);
          const guard = (name: ContextName): Guard =>
            name === context ? kpkeys.guardNoop() : kpkeys.guard(name as "DEFAULT");
          provide(container, Kpkeys, overriding(kpkeys, { guard }));
          secretKeys.setup(container, options);
          provide(container, Kpkeys, kpkeys);
        },
      };
      const registry = createPluginRegistry([arm64Poe, x86Pks, broken]);
      return buildMachine({ ...DEFAULT_SPEC, ...SECRET, memory: [{ bytes: 128 * 2 ** 20 }], arch }, registry);
    };

    it.each(["SECRETS_READ", "SECRETS_WRITE"] as const)("%s", (context) => {
      expect(codeOf(() => without(context))).toBe("ERR_KERNEL_FAULT");
    });
  });

  // The interrupt borrows the window of the context switch, unless entry resets the register: v4 to v6.
  it.each(NAMES)("in an interrupt inside the context switch's window, %s", (series) => {
    const { kernel } = SERIES[series];
    const booted = threads(machine(arch, { ...SECRET, kernel }));
    const state = booted.get(Kpkeys).enterContext("SECRETS_READ");
    let inInterrupt: boolean | undefined;
    booted.get(Exceptions).interrupt(() => {
      inInterrupt = isReadable(booted);
    });
    expect(isReadable(booted)).toBe(true);
    booted.get(Kpkeys).leaveContext(state);
    expect(isReadable(booted)).toBe(false);
    expect(inInterrupt).toBe(!["v4", "v5", "v6"].includes(series));
  });
});
