import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry, KpkeysError, overriding, provide, resolve, toBytes } from "@kpkeys/core";
import {
  CloneFlag,
  CRED,
  Creds,
  Exceptions,
  ExtensionPoints,
  KernelMemory,
  Kpkeys,
  KpkeysArch,
  Rcu,
  SlabAllocator,
  Tasks,
  toPhysAddr,
} from "@kpkeys/core/contracts";
import type { ContextName, ExtensionPoint, ExtensionPoints as Points, PkeyName, Plugin } from "@kpkeys/core/contracts";
import { credHardening, CredWarnings } from "@kpkeys/cred-hardening";
import { buildMachine, coverageOf, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { attack, countResults, formatKtap, runSuites } from "@kpkeys/kunit-suite";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";
import { ARCHES, machine, settle } from "./machines.js";

const BOTH = { features: ["pgtables", "cred"] } satisfies Partial<MachineSpec>;

/** Whether a stray store of the credential's uid goes through, in the context of the moment. */
function isOpen(booted: Machine, cred: number): boolean {
  const memory = booted.get(KernelMemory);
  memory.load(toPhysAddr(cred + CRED.uid), "test");
  const { valueHigh, valueLow } = memory;
  const { high, low } = memory.linearAddress(toPhysAddr(cred + CRED.uid));
  return (
    booted.get(Exceptions).copyToKernelNofault({ high, low }, toBytes({ high: valueHigh, low: valueLow }, "little")) ===
    0
  );
}

function usage(booted: Machine, cred: number): number {
  booted.get(KernelMemory).load(toPhysAddr(cred + CRED.usage), "test");
  return booted.get(KernelMemory).valueLow;
}

function writeUid(booted: Machine, cred: number, uid: number): void {
  booted.get(KernelMemory).store(toPhysAddr(cred + CRED.uid), uid, uid, "test");
}

/** A new process, running. */
function process(booted: Machine): Machine {
  const tasks = booted.get(Tasks);
  tasks.switchTo(tasks.create(undefined));
  return booted;
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

/** A machine whose credentials are hardened but for a part that is taken away. */
function without(arch: string, take: (points: Points) => Partial<Points>): Machine {
  const broken: Plugin = {
    ...credHardening,
    setup(container, options) {
      const points = resolve(container, ExtensionPoints);
      provide(container, ExtensionPoints, overriding(points, take(points)));
      credHardening.setup(container, options);
      provide(container, ExtensionPoints, points);
    },
  };
  const registry = createPluginRegistry([arm64Poe, x86Pks, pgtablesHardening, broken]);
  return buildMachine({ ...DEFAULT_SPEC, ...BOTH, memory: [{ bytes: 128 * 2 ** 20 }], arch }, registry);
}

describe.each(ARCHES)("hardened credentials on %s", (arch) => {
  it("pass their KUnit suite, while page tables pass theirs, and leave the machine as it was", () => {
    const booted = machine(arch, BOTH);
    const first = runSuites(booted);
    expect(first.map(({ name }) => name)).toEqual(["kpkeys_hardened_pgtables", "Hardened credentials using kpkeys"]);
    expect(formatKtap(first)).toContain("ok 1 write_current_creds");
    expect(formatKtap(first)).toContain("ok 2 write_new_creds");
    expect(countResults(first)).toEqual({ passed: 7, failed: 0, skipped: 0 });
    expect(countResults(runSuites(booted))).toEqual({ passed: 7, failed: 0, skipped: 0 });
    settle(booted);
    expect(booted.get(SlabAllocator).caches.map(({ objectsInUse }) => objectsInUse)).toEqual([0, 0]);
    expect(booted.get(CredWarnings)).toEqual([]);
  });

  it("skip on a CPU without kernel pkeys, where nothing moves and nothing has a key", () => {
    const booted = process(machine(arch, { ...BOTH, options: { [arch]: { pkeys: false } } }));
    expect(formatKtap(runSuites(booted))).toContain("ok 2 write_new_creds # SKIP kpkeys are not supported");
    const creds = booted.get(Creds);
    const prepared = creds.prepare()!;
    creds.commit(prepared);
    expect(creds.current()).toBe(prepared);
    expect(booted.get(SlabAllocator).caches.map(({ name, pkey }) => [name, pkey])).toEqual([["cred_jar", 0]]);
    expect(booted.counters().setMemoryPkeyCalls).toBe(0);
  });

  it("give the key register its fields, derived", () => {
    const fields = {
      "arm64-poe": [0x17, 0x117, 0x517, 0x557],
      "x86-pks": [0x55555558, 0x55555568, 0x55555548, 0x55555540],
    };
    const [alone, both, cred, unrestricted] = fields[arch];
    expect(
      machine(arch, { features: ["pgtables"] })
        .get(Kpkeys)
        .initialValue(),
    ).toEqual({ high: 0, low: alone });
    const kpkeys = machine(arch, BOTH).get(Kpkeys);
    expect(kpkeys.pkey("CRED")).toBe(2);
    expect(kpkeys.initialValue()).toEqual({ high: 0, low: both });
    const inContext = (name: "CRED" | "UNRESTRICTED"): number => {
      const { clear, set } = kpkeys.compiled(name);
      return (kpkeys.initialValue().low & ~clear.low) | set.low;
    };
    expect(inContext("CRED")).toBe(cred);
    expect(inContext("UNRESTRICTED")).toBe(unrestricted);
  });

  it("are attacked through every mapping and hold; with the keys off the same stores all go through", () => {
    const spec = { ...BOTH, cpus: 2 };
    const closed = process(machine(arch, spec));
    const held = attack(closed, closed.scan());
    expect(held.gaps).toEqual([]);
    // One of the process, three words; and init_cred, in the linear map and in the image.
    expect(held.bySource).toMatchObject({ cred: { tried: 3, blocked: 3 }, init_cred: { tried: 6, blocked: 6 } });
    const { objects, gaps } = coverageOf(closed, closed.scan());
    expect(gaps).toEqual([]);
    expect(objects).toEqual({
      cred: { objects: 1, keyed: 1, readOnly: 0 },
      init_cred: { objects: 1, keyed: 1, readOnly: 0 },
    });

    const open = process(machine(arch, { ...spec, boot: { rodata: "full", kpkeys: "off" } }));
    const through = attack(open, open.scan());
    expect(through.tried).toBe(held.tried);
    expect(through.blocked).toBe(0);
    expect(through.bySource).toMatchObject({ cred: { tried: 3, blocked: 0 }, init_cred: { tried: 6, blocked: 0 } });
  });

  it("hold without hardened page tables too, and over a linear map of blocks", () => {
    for (const linearMap of ["pte", "block"] as const) {
      const booted = process(machine(arch, { features: ["cred"], kernel: { linearMap } }));
      const { bySource } = attack(booted, booted.scan());
      expect(bySource).toMatchObject({ cred: { tried: 3, blocked: 3 }, init_cred: { tried: 6, blocked: 6 } });
      expect(booted.get(CredWarnings)).toEqual([]);
    }
  });

  it("are written freely in preparation, and commit_creds moves them: the old address is free memory", () => {
    const booted = process(machine(arch, BOTH));
    const creds = booted.get(Creds);
    const before = creds.current();
    const prepared = creds.prepare()!;
    expect(isOpen(booted, prepared)).toBe(true);
    expect(isOpen(booted, before)).toBe(false);
    writeUid(booted, prepared, 1000);
    creds.commit(prepared);
    expect(creds.current()).not.toBe(prepared);
    expect(creds.real()).toBe(creds.current());
    expect(isOpen(booted, creds.current())).toBe(false);
    expect(usage(booted, creds.current())).toBe(2);
    booted.get(KernelMemory).load(toPhysAddr(creds.current() + CRED.uid), "test");
    expect(booted.get(KernelMemory).valueLow).toBe(1000);
    // The next one prepared reuses this address.
    expect(creds.prepare()).toBe(prepared);
  });

  it("protect_creds leaves alone a credential with other references, with a warning, and one that is live already", () => {
    const booted = process(machine(arch, BOTH));
    const creds = booted.get(Creds);
    const shared = creds.prepare()!;
    creds.get(shared);
    expect(creds.protect(shared)).toBe(shared);
    expect(booted.get(CredWarnings)).toEqual([expect.stringContaining("has usage 2")]);
    expect(creds.protect(creds.current())).toBe(creds.current());
    const born = creds.prepareProtected()!;
    expect(isOpen(booted, born)).toBe(false);
    expect(creds.protect(born)).toBe(born);
    expect(booted.get(CredWarnings)).toHaveLength(1);
  });

  it("a call site that does not protect what it overrides with is reported by coverage and attack", () => {
    const booted = process(machine(arch, BOTH));
    booted.get(Creds).override(booted.get(Creds).prepare()!);
    expect(coverageOf(booted, booted.scan()).gaps).toMatchObject([
      { source: "cred", level: "object", mapping: "linear" },
    ]);
    expect(attack(booted, booted.scan()).gaps).toMatchObject([{ source: "cred", level: "object", stores: 3 }]);
  });

  it("faccessat's override is protected, and freed without a grace period", () => {
    const booted = process(machine(arch, BOTH));
    const creds = booted.get(Creds);
    const { gracePeriods, pending } = booted.get(Rcu);
    const before = creds.accessOverride()!;
    expect(isOpen(booted, creds.current())).toBe(false);
    const overriding = creds.revert(before);
    creds.put(overriding);
    expect(booted.get(Rcu)).toMatchObject({ gracePeriods, pending });
    expect(booted.get(SlabAllocator).cacheOf(before)?.objectsInUse).toBe(1);
  });

  it("a thread shares its parent's, a process gets a copy, exec a new one", () => {
    const booted = process(machine(arch, BOTH));
    const tasks = booted.get(Tasks);
    const { cred } = tasks.current;
    const thread = tasks.create(undefined, CloneFlag.VM | CloneFlag.THREAD);
    const child = tasks.create(undefined);
    expect([thread.cred, thread.realCred]).toEqual([cred, cred]);
    expect(usage(booted, cred)).toBe(4);
    expect(child.cred).not.toBe(cred);
    expect(usage(booted, child.cred)).toBe(2);
    tasks.exit(thread);
    expect(usage(booted, cred)).toBe(2);
  });

  it("an object that RCU readers may see is freed after the grace period, not before", () => {
    const booted = process(machine(arch, { ...BOTH, cpus: 2 }));
    const creds = booted.get(Creds);
    const rcu = booted.get(Rcu);
    const { cpus } = booted;
    const old = creds.current();
    const jar = booted.get(SlabAllocator).cacheOf(old)!;
    cpus.current = cpus.all[1]!;
    rcu.readLock();
    cpus.current = cpus.all[0]!;
    creds.commit(creds.prepare()!);
    expect(
      codeOf(() => {
        rcu.synchronize();
      }),
    ).toBe("ERR_DEADLOCK");
    expect(jar.objectsInUse).toBe(2);
    cpus.current = cpus.all[1]!;
    rcu.readUnlock();
    cpus.current = cpus.all[0]!;
    rcu.synchronize();
    expect(jar.objectsInUse).toBe(1);
    expect(rcu.pending).toBe(0);
  });

  it("its switches are counted as those of page tables are: fork, commit and exit write the register", () => {
    const booted = process(machine(arch, BOTH));
    const before = booted.get(KpkeysArch).counters.registerWrites;
    booted.get(Creds).get(booted.get(Creds).current());
    expect(booted.get(KpkeysArch).counters.registerWrites - before).toBe(2);
  });

  describe("without one of its parts the kernel itself faults", () => {
    const dropped =
      (...missing: readonly ExtensionPoint[]) =>
      (points: Points): Partial<Points> => ({
        on: (point, handler) => {
          if (!missing.includes(point)) points.on(point, handler);
        },
      });

    it("the guard of kernel/cred.c", () => {
      const open = without(arch, (points) => ({
        setCredStore: (store) => {
          points.setCredStore(overriding(store, { guard: { enter: () => 0 as never, exit: () => undefined } }));
        },
      }));
      expect(codeOf(() => process(open))).toBe("ERR_KERNEL_FAULT");
    });

    it("the slab allocator's", () => {
      const open = without(arch, dropped("slabInternalWrite", "slabInternalWriteDone"));
      expect(codeOf(() => process(open))).toBe("ERR_KERNEL_FAULT");
    });

    it("RCU's", () => {
      const open = process(without(arch, dropped("rcuHeadWrite", "rcuHeadWriteDone")));
      expect(
        codeOf(() => {
          open.get(Creds).commit(open.get(Creds).prepare()!);
          open.get(Rcu).synchronize();
        }),
      ).toBe("ERR_KERNEL_FAULT");
    });
  });
});

describe("a set of features that needs more keys than the architecture has", () => {
  const more = ["A", "B", "C", "D", "E", "F"].map((name): Plugin => ({
    id: name.toLowerCase(),
    kind: "feature",
    description: "one key",
    contract: 2,
    setup(container) {
      const kpkeys = resolve(container, Kpkeys);
      kpkeys.registerPkey(name as PkeyName);
      kpkeys.defineContext(name as ContextName, { [name]: "rw" });
    },
  }));
  const registry = createPluginRegistry([arm64Poe, x86Pks, pgtablesHardening, credHardening, ...more]);
  const boot = (arch: string, features: readonly string[]): Machine =>
    buildMachine({ ...DEFAULT_SPEC, memory: [{ bytes: 128 * 2 ** 20 }], arch, features }, registry);
  const ids = ["pgtables", "cred", ...more.map(({ id }) => id)];

  it("does not boot on arm64; the error lists each feature's keys and the exposure of a shared key", () => {
    let message = "";
    const code = codeOf(() => {
      try {
        boot("arm64-poe", ids);
      } catch (error) {
        message = (error as Error).message;
        throw error;
      }
    });
    expect(code).toBe("ERR_PKEY_EXHAUSTED");
    expect(message).toContain("DEFAULT, PGTABLES (pgtables), CRED (cred), A (a)");
    expect(message).toMatch(/the context \w+ could write the pages of \w+/);
  });

  it("boots on x86, and on arm64 without any one of the features", () => {
    expect(boot("x86-pks", ids).get(Kpkeys).pkeyNames.size).toBe(9);
    for (const left of ["cred", "f"]) {
      const booted = boot(
        "arm64-poe",
        ids.filter((id) => id !== left),
      );
      expect([...booted.get(Kpkeys).pkeyNames.keys()].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    }
  });
});
