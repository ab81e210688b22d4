import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry, lazily, provide, resolve, toBytes } from "@kpkeys/core";
import {
  applyChange,
  Errno,
  Exceptions,
  ExtensionPoints,
  Kpkeys,
  LinearMap,
  MapFlag,
  PageAllocator,
  PageTableFormat,
  PageTables,
  Prot,
  ProtectedObjects,
  SetMemory,
  toLevel,
  token,
  toVpn,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type {
  KeyRights,
  KpkeysState,
  Pfn,
  Pkey,
  Plugin,
  ProtectedObject,
  Rights,
  Token,
  Vpn,
} from "@kpkeys/core/contracts";
import { credHardening } from "@kpkeys/cred-hardening";
import { buildMachine, coverageOf, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { CoverageGap, Machine, MachineSpec } from "@kpkeys/kernel";
import { attack } from "@kpkeys/kunit-suite";
import type { AttackGap } from "@kpkeys/kunit-suite";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { ARCHES } from "./machines.js";
import { Process } from "./process.js";

declare module "@kpkeys/core/contracts" {
  interface KpkeysPkeys {
    /** The secret of these tests. */
    SECRET_OF_TEST: true;
    /** A second secret, of another feature. */
    OTHER_OF_TEST: true;
  }
  interface KpkeysContexts {
    /** The secret can be read. */
    SECRET_OF_TEST: true;
    /** The second secret can be read. */
    OTHER_OF_TEST: true;
  }
}

/** The secret's page, for the tests. */
interface Secret {
  /** Page-frame number. */
  readonly pfn: Pfn;
  /** The key. */
  readonly pkey: Pkey;
}

const Secret: Token<Secret> = token("Secret");

const VALUE = { high: 0x0123_4567, low: 0x89ab_cdef | 0 };
/** Where the object is in its page, and its size: four words. */
const PLACE = { offset: 64, size: 32 };

const USER_PAGE = toVpn(0x1000);

/** The secret and the ways in which its feature can be wrong. */
interface Made {
  readonly rights?: KeyRights;
  readonly withholds?: ProtectedObject["withholds"];
}

/** A feature with one page that DEFAULT cannot read. */
function secretFeature({ rights = { default: "none" }, withholds = "read-write" }: Made): Plugin {
  return {
    id: "secret",
    kind: "feature",
    description: "a secret on a page",
    contract: 2,
    setup(container) {
      const kpkeys = resolve(container, Kpkeys);
      const points = resolve(container, ExtensionPoints);
      const pkey = kpkeys.registerPkey("SECRET_OF_TEST", rights);
      kpkeys.defineContext("SECRET_OF_TEST", { SECRET_OF_TEST: "r" });
      const linearMap = lazily(container, LinearMap);
      let pfn: Pfn | undefined;
      points.on("initPhase", (phase) => {
        if (phase !== "system_features") return;
        pfn = resolve(container, PageAllocator).alloc(0)!;
        provide(container, Secret, { pfn, pkey });
        resolve(container, Exceptions).copyToKernelNofault(
          linearMap().address(pfn, PLACE.offset),
          toBytes(VALUE, "little"),
        );
        expect(resolve(container, SetMemory).setMemoryPkey(linearMap().pageOf(pfn), 1, pkey)).toBe(0);
      });
      resolve(container, ProtectedObjects).declare({
        feature: "secret",
        objects: () => (pfn === undefined ? [] : [{ pfn, ...PLACE, pkey, source: "secret", withholds }]),
      });
    },
  };
}

/** A second feature with a key for secrets. */
const other: Plugin = {
  id: "other",
  kind: "feature",
  description: "a second key for secrets",
  contract: 2,
  setup(container) {
    const kpkeys = resolve(container, Kpkeys);
    kpkeys.registerPkey("OTHER_OF_TEST", { default: "none" });
    kpkeys.defineContext("OTHER_OF_TEST", { OTHER_OF_TEST: "rw" });
  },
};

function boot(arch: string, made: Made = {}, spec: Partial<MachineSpec> = {}): Machine {
  const plugins = [arm64Poe, x86Pks, pgtablesHardening, credHardening, secretFeature(made), other];
  const memory = [{ bytes: 64 * 2 ** 20 }];
  return buildMachine({ ...DEFAULT_SPEC, memory, arch, features: ["secret"], ...spec }, createPluginRegistry(plugins));
}

/** The secret through the linear map: its bytes, or an error. */
function read(machine: Machine): Uint8Array | Errno {
  const address = machine.get(LinearMap).address(machine.get(Secret).pfn, PLACE.offset);
  return machine.get(Exceptions).copyFromKernelNofault(address, 8);
}

/** Entries of all contexts, which need a literal each; the first is the secret's. */
const ENTER: readonly ((kpkeys: Kpkeys) => KpkeysState)[] = [
  (kpkeys) => kpkeys.enterContext("SECRET_OF_TEST"),
  (kpkeys) => kpkeys.enterContext("DEFAULT"),
  (kpkeys) => kpkeys.enterContext("OTHER_OF_TEST"),
  (kpkeys) => kpkeys.enterContext("UNRESTRICTED"),
  (kpkeys) => kpkeys.enterContext("PGTABLES"),
  (kpkeys) => kpkeys.enterContext("CRED"),
];

/** Maps the secret's page a second time, with key 0. @returns its page in the vmalloc area */
function vmap(machine: Machine): Vpn {
  return machine.get(Vmalloc).mapRam([machine.get(Secret).pfn])!;
}

/** Gaps of objects: what the entries show, and what the accesses show. */
function gapsOf(machine: Machine): { readonly found: readonly CoverageGap[]; readonly through: readonly AttackGap[] } {
  const tables = machine.scan();
  return { found: coverageOf(machine, tables).gaps, through: attack(machine, tables).gaps };
}

describe.each(ARCHES)("a secret that DEFAULT may not read on %s", (arch) => {
  it("is read only in its context, and every attack by load and store is blocked, next to other features", () => {
    const machine = boot(arch, {}, { features: ["pgtables", "cred", "secret", "other"] });
    const seen = ENTER.map((enter) => {
      const state = enter(machine.get(Kpkeys));
      const bytes = read(machine);
      machine.get(Kpkeys).leaveContext(state);
      return bytes;
    });
    expect(seen).toEqual([toBytes(VALUE, "little"), ...Array.from({ length: 5 }, () => Errno.EFAULT)]);

    const tables = machine.scan();
    const { objects, gaps } = coverageOf(machine, tables);
    expect(objects["secret"]).toEqual({ objects: 1, keyed: 1, readOnly: 0 });
    expect(gaps).toEqual([]);
    const result = attack(machine, tables);
    expect(result).toMatchObject({ loads: { tried: 3, blocked: 3 }, gaps: [] });
    expect(result.bySource["secret"]).toEqual({ tried: 6, blocked: 6 });
    expect(result.blocked).toBe(result.tried);
  });

  it("is open for as many accesses as were blocked if the keys are off", () => {
    const off = boot(arch, {}, { boot: { ...DEFAULT_SPEC.boot, kpkeys: "off" } });
    const { loads, bySource } = attack(off, off.scan());
    expect(loads).toEqual({ tried: 3, blocked: 0 });
    expect(bySource["secret"]).toEqual({ tried: 6, blocked: 0 });
    expect(coverageOf(off, off.scan()).objects["secret"]).toEqual({ objects: 1, keyed: 0, readOnly: 0 });
  });

  it("can be writable for allocators if its registration allows it, and remains unreadable in DEFAULT", () => {
    const machine = boot(arch, { rights: { default: "none", unrestricted: "rw" } }, { features: ["cred", "secret"] });
    const kpkeys = machine.get(Kpkeys);
    const state = kpkeys.enterContext("UNRESTRICTED");
    const inside = read(machine);
    kpkeys.leaveContext(state);
    expect([inside, read(machine)]).toEqual([toBytes(VALUE, "little"), Errno.EFAULT]);
  });

  it("is a gap for reads if its key is readable by default", () => {
    const { found, through } = gapsOf(boot(arch, { rights: {} }));
    expect(found).toMatchObject([{ source: "secret", level: "object", mapping: "linear", open: "read", pages: 1 }]);
    expect(through).toMatchObject([{ source: "secret", mapping: "linear", stores: 0, loads: 3 }]);
  });

  it("is a gap for reads through a second, read-only mapping without its key", () => {
    const machine = boot(arch);
    const page = vmap(machine);
    expect(machine.get(SetMemory).setMemoryRo(page, 1)).toBe(0);
    const { found, through } = gapsOf(machine);
    expect(found).toMatchObject([{ source: "secret", mapping: "other", open: "read", pages: 1 }]);
    expect(through).toMatchObject([{ source: "secret", mapping: "other", stores: 0, loads: 3 }]);
    expect(found[0]!.address).toBe(through[0]!.address);
  });

  it("is a gap for both through a second, writable mapping, and none once the mapping has the key too", () => {
    const machine = boot(arch);
    const page = vmap(machine);
    const { found, through } = gapsOf(machine);
    expect(found).toMatchObject([{ mapping: "other", open: "read-write" }]);
    expect(through).toMatchObject([{ mapping: "other", stores: 3, loads: 3 }]);
    expect(machine.get(SetMemory).setMemoryPkey(page, 1, machine.get(Secret).pkey)).toBe(0);
    expect(gapsOf(machine)).toEqual({ found: [], through: [] });
  });

  it("is a gap through a user mapping, even with the number of its key", () => {
    const machine = boot(arch);
    const { spaces, mm } = new Process(machine);
    spaces.mmap(mm, USER_PAGE, 1, Prot.READ, MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE);
    const { pfn, pkey } = machine.get(Secret);
    const format = machine.get(PageTableFormat);
    const last = toLevel(format.geometry.levels.length - 1);
    const leaf = format.makeLeaf(last, pfn, format.protections.PAGE_READONLY);
    machine
      .get(PageTables)
      .entryAt(mm.root, last, USER_PAGE, mm.rootIndex)!
      .set(applyChange(leaf, format.entryKeys!.pkeyChange(pkey)));
    const { found, through } = gapsOf(machine);
    expect(found).toMatchObject([{ mapping: "other", open: "read" }]);
    expect(through).toMatchObject([{ mapping: "other", stores: 0, loads: 3 }]);
  });

  it("has a gap in its entries exactly if an access succeeds, and for the same accesses", () => {
    const rights = fc.constantFrom<Rights>("none", "r", "rw", "rx", "rwx");
    const alias = fc.record({ readOnly: fc.boolean(), keyed: fc.boolean() });
    const withholds = fc.constantFrom<ProtectedObject["withholds"]>("write", "read-write");
    fc.assert(
      fc.property(rights, withholds, fc.array(alias, { maxLength: 2 }), (inDefault, what, aliases) => {
        const machine = boot(arch, { rights: { default: inDefault }, withholds: what });
        const memory = machine.get(SetMemory);
        for (const { readOnly, keyed } of aliases) {
          const page = vmap(machine);
          if (readOnly) expect(memory.setMemoryRo(page, 1)).toBe(0);
          if (keyed) expect(memory.setMemoryPkey(page, 1, machine.get(Secret).pkey)).toBe(0);
        }
        const { found, through } = gapsOf(machine);
        const accesses = new Set(
          through.flatMap(({ stores, loads }) => [...(stores > 0 ? ["write"] : []), ...(loads > 0 ? ["read"] : [])]),
        );
        // The entries give one opening, the widest, for each object; the accesses give each mapping.
        expect(found.length).toBe(through.length > 0 ? 1 : 0);
        if (found.length === 0) return;
        expect(found[0]!.open.split("-").sort()).toEqual([...accesses].sort());
      }),
      { numRuns: runs(20) },
    );
  });
});
