import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { orPkeyValues, provide, resolve } from "@kpkeys/core";
import {
  Access,
  ArchTools,
  Cpus,
  FaultKind,
  OK,
  PageTableFormat,
  PgtableArch,
  PhysicalMemory,
  PkeyRegister,
  Privilege,
  toPfn,
  toPkey,
} from "@kpkeys/core/contracts";
import type { Cpu, CpuCounters, DependencyContainer, FrameKeys, Pfn, Pkey } from "@kpkeys/core/contracts";
import { createPhysicalMemory, toWords } from "@kpkeys/core/machine";
import { Bit as FrameBit } from "../../../../examples/frame-keys/src/format.js";
import { Bit, HighBit } from "../../../../examples/odd-arch/src/format.js";
import { oddArch } from "../../../../examples/odd-arch/src/plugin.js";
import { AMR, fieldOf, Withheld } from "../../../../examples/odd-arch/src/registers.js";
import { after, cpu, entryKeys, format, frames, kpkeys, mmu, regime, replacing } from "./breaking.js";
import type { Broken } from "./breaking.js";
import { packageImporting } from "./packages.js";

const register = (change: Partial<PkeyRegister>): Broken["plugin"] => replacing(oddArch, PkeyRegister, () => change);
const ignoringOptions = {
  ...oddArch,
  setup: (...[container, options]: Parameters<typeof oddArch.setup>) => {
    oddArch.setup(container, { ...options, pkeys: true });
  },
};

/** A page's key in what the odd architecture's TLB remembers. */
const fieldFor = (attributes: number, high: number, low: number): number => fieldOf(high, low, attributes >>> 16);

const ALL_BITS = { high: -1, low: -1, fetch: { high: -1, low: -1 } };

/** Architectures that are broken, in the order of the rules. */
export const BROKEN_ARCHES: readonly Broken[] = [
  { rule: "plugin/form", how: "written against other contracts", plugin: { ...oddArch, contract: 99 as 2 } },
  {
    rule: "register/keys",
    how: "a leaf can name two keys only",
    plugin: entryKeys((original) => ({ pkeyChange: (pkey) => original.pkeyChange(toPkey(pkey & 1)) })),
  },
  {
    rule: "register/rights",
    how: "a key is read from the field of another",
    plugin: register({ rightsOf: (high, low, key, fetch) => AMR.rightsOf(high, low, key === 1 ? 0 : key, fetch) }),
  },
  {
    rule: "register/isolation",
    how: "a key's mask covers the next key too",
    plugin: register({ fieldMask: (key) => orPkeyValues(AMR.fieldMask(key), AMR.fieldMask((key + 1) % AMR.keys)) }),
  },
  { rule: "register/initial", how: "unused keys can be read", plugin: register({ unused: "r" }) },
  {
    rule: "register/synchronisation",
    how: "writes rule at once where a barrier is promised",
    plugin: regime(() => ({ pkeyRegisterNeedsBarrier: false })),
  },
  {
    rule: "register/counted",
    how: "register writes are not counted",
    plugin: cpu((original) => ({
      counters: Object.create(original.counters, { pkeyRegisterWrites: { get: () => 0 } }) as CpuCounters,
    })),
  },
  {
    rule: "register/fetches",
    how: "the register for fetches decides nothing",
    plugin: regime((original) => ({
      check: (attributes, access, privilege, high, low) =>
        access === Access.FETCH
          ? original.check(attributes, access, privilege, 0, 0)
          : original.check(attributes, access, privilege, high, low),
    })),
  },
  {
    rule: "format/geometry",
    how: "addresses are a bit wider than the tables",
    plugin: format(({ geometry }) => ({ geometry: { ...geometry, addressBits: 48 } })),
  },
  {
    rule: "format/index",
    how: "an index loses its highest bit",
    plugin: format((original) => ({ index: (level, high, low) => original.index(level, high, low) & 1023 })),
  },
  {
    rule: "format/tables",
    how: "a table's address is cut to 32 bits",
    plugin: format((original) => ({
      makeTable: (pfn, user) => original.makeTable(toPfn(pfn % 2 ** 18), user),
    })),
  },
  {
    rule: "format/leaves",
    how: "PAGE_KERNEL_RO is writable",
    plugin: format(({ protections }) => ({ protections: { ...protections, PAGE_KERNEL_RO: protections.PAGE_KERNEL } })),
  },
  {
    rule: "format/pkeys",
    how: "a change of key makes a leaf writable",
    plugin: entryKeys((original) => ({
      pkeyChange(pkey) {
        const { clear, set } = original.pkeyChange(pkey);
        return { clear, set: { ...set, low: Bit.WRITE } };
      },
    })),
  },
  {
    rule: "format/attributes",
    how: "an invalid entry forgets its address",
    plugin: format(({ attributes }) => ({
      attributes: {
        ...attributes,
        invalid: { clear: { high: HighBit.VALID, low: -1 }, set: { high: HighBit.KEPT, low: 0 } },
      },
    })),
  },
  {
    rule: "format/state",
    how: "an old page is clean too",
    plugin: format(() => ({
      makeOld: ({ high, low }) => ({ high, low: low & ~(Bit.REFERENCED | Bit.CHANGED) }),
    })),
  },
  {
    rule: "format/reprotect",
    how: "another protection makes a page clean",
    plugin: format((original) => ({
      reprotect(leaf, protection) {
        const { high, low } = original.reprotect(leaf, protection);
        return { high, low: low & ~Bit.CHANGED };
      },
    })),
  },
  {
    rule: "format/split",
    how: "a block is split into what is no page",
    plugin: replacing(arm64Poe, PageTableFormat, () => ({ splitLeaf: (leaf) => leaf })),
  },
  {
    rule: "walk/levels",
    how: "the CPU knows no blocks",
    plugin: regime(({ levels }) => ({
      levels: levels.map((level, i) => (i === levels.length - 1 ? level : { ...level, leaf: -1 })),
    })),
  },
  {
    rule: "walk/holes",
    how: "an access where nothing is mapped goes through",
    plugin: cpu((original) => ({
      access(...access) {
        const status = original.access(...access);
        return original.fault.kind === FaultKind.TRANSLATION ? OK : status;
      },
    })),
  },
  {
    rule: "walk/canonical",
    how: "upper address bits do not matter",
    plugin: cpu((original) => ({
      access: (high, ...access) => original.access((high << 17) >> 17, ...access),
    })),
  },
  {
    rule: "walk/pure",
    how: "a walk for tools is an access",
    plugin: mmu((original, own) => ({
      walk(high, low, visit) {
        own.access(high, low, Access.READ, Privilege.KERNEL);
        return original.walk(high, low, visit);
      },
    })),
  },
  {
    rule: "walk/byte-order",
    how: "the walk reads entries in the kernel's byte order",
    plugin: after(oddArch, (container) => {
      const { geometry } = resolve(container, PageTableFormat);
      const banks = [{ firstPfn: toPfn(0x40000000 / 2 ** geometry.pageShift), pages: 2 ** 20 }];
      provide(container, PhysicalMemory, createPhysicalMemory(banks, { ...geometry, entryByteOrder: "little" }));
    }),
  },
  {
    rule: "walk/roots",
    how: "roots are called split and are shared",
    plugin: format(({ geometry }) => ({ geometry: { ...geometry, splitRoots: true } })),
  },
  {
    rule: "rights/base",
    how: "the kernel can execute everything",
    plugin: regime((original) => ({
      check: (attributes, access, ...others) =>
        access === Access.FETCH ? FaultKind.NONE : original.check(attributes, access, ...others),
    })),
  },
  {
    rule: "rights/pkey",
    how: "keys withhold writes only",
    plugin: regime((original) => ({
      check(attributes, access, ...others) {
        const kind = original.check(attributes, access, ...others);
        return kind === FaultKind.PKEY && (access & Access.WRITE) === 0 ? FaultKind.NONE : kind;
      },
    })),
  },
  {
    rule: "rights/no-grant",
    how: "an open key lets read-only pages be written",
    plugin: regime((original) => ({
      check(attributes, access, privilege, high, low) {
        const open = fieldFor(attributes, high, low) === 0 && (attributes & Bit.PRIVILEGED) !== 0;
        return open ? FaultKind.NONE : original.check(attributes, access, privilege, high, low);
      },
    })),
  },
  {
    rule: "rights/user",
    how: "the kernel's register decides on user pages",
    plugin: regime((original) => ({
      check(attributes, access, privilege, high, low) {
        const denied = (fieldFor(attributes, high, low) & Withheld.READ) !== 0;
        return denied ? FaultKind.PKEY : original.check(attributes, access, privilege, high, low);
      },
    })),
  },
  {
    rule: "rights/state",
    how: "what was written stays clean",
    plugin: regime(() => ({ updateLeaf: () => undefined })),
  },
  { rule: "rights/without-pkeys", how: "it has keys under all options", plugin: ignoringOptions },
  { rule: "fault/report", how: "the key is not reported", plugin: regime(() => ({ pkeyOf: () => 0 })) },
  {
    rule: "fault/words",
    how: "a fault is described in two lines",
    plugin: replacing(oddArch, ArchTools, (original) => ({
      describeFault: (fault) => `fault\n${original.describeFault(fault)}`,
    })),
  },
  {
    rule: "fault/explain",
    how: "every fault is explained as one of a read",
    plugin: replacing(oddArch, ArchTools, ({ explanation }) => ({
      explanation: {
        ...explanation,
        reportedAccess: (syndrome, values) => ({
          ...explanation.reportedAccess(syndrome, values),
          access: Access.READ,
        }),
      },
    })),
  },
  { rule: "tlb/stale", how: "the audit finds nothing", plugin: mmu(() => ({ auditTlb: () => 0 })) },
  {
    rule: "tlb/invalidate",
    how: "a range is invalidated but for its last page",
    plugin: mmu((original) => ({
      invalidateRange(high, low, pages) {
        original.invalidateRange(high, low, pages - 1);
      },
    })),
  },
  {
    rule: "tlb/blocks",
    how: "a block is invalidated by its first page only",
    plugin: mmu((original, { counters }) => ({
      invalidatePage(high, low) {
        if ((low & (2 ** 25 - 1)) === 0) original.invalidatePage(high, low);
        else counters.tlbInvalidations++;
      },
    })),
  },
  {
    rule: "tlb/spaces",
    how: "user pages belong to all address spaces",
    plugin: regime(() => ({ isGlobal: () => true })),
  },
  { rule: "tlb/register", how: "what was allowed once is allowed ever after", plugin: cpu(remembering) },
  {
    rule: "tlb/rekey",
    how: "the second invalidation of a page is lost",
    plugin: mmu((original) => {
      let calls = 0;
      return {
        invalidatePage(high, low) {
          if (++calls !== 2) original.invalidatePage(high, low);
        },
      };
    }),
  },
  {
    rule: "frame-keys/read-back",
    how: "a key has two bits",
    plugin: frames((original) => ({
      set(pfn, pkey) {
        original.set(pfn, toPkey(pkey & 3));
      },
    })),
  },
  {
    rule: "frame-keys/others",
    how: "frames at a distance of 65,536 share a key",
    plugin: frames((original) => ({
      get: (pfn) => original.get(toPfn(pfn & 0xffff)),
      set(pfn, pkey) {
        original.set(toPfn(pfn & 0xffff), pkey);
      },
    })),
  },
  {
    rule: "frame-keys/aliases",
    how: "an invalidation reaches one CPU",
    plugin: frames((_original, container) => ({
      invalidate(pfn, pages) {
        resolve(container, Cpus).current.mmu.invalidateFrames(pfn, pages);
      },
    })),
  },
  { rule: "frame-keys/fill", how: "a key applies from its invalidation on", plugin: frames(keysAfterInvalidation) },
  { rule: "frame-keys/entries", how: "a key marks the first page of vmalloc", plugin: frames(marksVmalloc) },
  {
    rule: "context/key-numbers",
    how: "two keys have one number",
    plugin: kpkeys(() => ({ pkeyNumbers: { DEFAULT: 0, PGTABLES: 2, CRED: 2 } })),
  },
  {
    rule: "context/rights",
    how: "every context opens the managed keys",
    plugin: kpkeys((original) => ({
      enterContext: (context, ...place) =>
        original.enterContext({ ...context, set: { high: 0, low: 0, fetch: { high: 0, low: 0 } } }, ...place),
    })),
  },
  {
    rule: "context/default-key",
    how: "contexts make key 0 read-only",
    plugin: kpkeys((original) => ({
      enterContext: ({ set, ...context }, ...place) =>
        original.enterContext({ ...context, set: { ...set, high: set.high | (Withheld.WRITE << 30) } }, ...place),
    })),
  },
  {
    rule: "context/unmanaged-keys",
    how: "a context sets the whole register",
    plugin: kpkeys((original) => ({
      enterContext: (context, ...place) => original.enterContext({ ...context, clear: ALL_BITS }, ...place),
    })),
  },
  {
    rule: "context/restore",
    how: "leaving restores nothing",
    plugin: kpkeys(() => ({ leaveContext: () => undefined })),
  },
  { rule: "context/synchronised", how: "a context is left without a barrier", plugin: withoutBarrier() },
  {
    rule: "context/written",
    how: "a context always reports a register write",
    plugin: kpkeys((original) => ({ enterContext: (...all) => original.enterContext(...all) || true })),
  },
  {
    rule: "context/counters",
    how: "contexts are not counted",
    plugin: kpkeys(() => ({ counters: { registerWrites: 0, barriers: 0 } })),
  },
  {
    rule: "surface/raw-value",
    how: "a restore takes any value",
    plugin: oddArch,
    package: {
      exports: {
        restorePkeyReg: (own: Cpu, high: number, low: number) => {
          own.writePkeyRegister(high, low);
        },
      },
    },
  },
  {
    rule: "surface/imports",
    how: "it imports the kernel",
    plugin: oddArch,
    package: { files: packageImporting("@kpkeys/kernel") },
  },
  {
    rule: "kernel/boots",
    how: "there are too few static tables",
    plugin: replacing(oddArch, PgtableArch, ({ staticTables }) => ({
      staticTables: staticTables.map((tables) => ({ ...tables, pages: 1 })),
    })),
  },
  {
    rule: "kernel/suites",
    how: "keys withhold nothing",
    plugin: regime((original) => ({
      check(...access) {
        const kind = original.check(...access);
        return kind === FaultKind.PKEY ? FaultKind.NONE : kind;
      },
    })),
  },
  { rule: "kernel/hardened", how: "a context is left without a barrier", plugin: withoutBarrier() },
  { rule: "kernel/without-pkeys", how: "it has keys under all options", plugin: ignoringOptions },
];

/** A key that was set reaches the CPUs when it is invalidated. */
function keysAfterInvalidation(original: FrameKeys): Partial<FrameKeys> {
  const pending = new Map<Pfn, Pkey>();
  return {
    get: (pfn) => pending.get(pfn) ?? original.get(pfn),
    set: (pfn, pkey) => void pending.set(pfn, pkey),
    invalidate(pfn, pages) {
      for (const [frame, pkey] of pending) original.set(frame, pkey);
      original.invalidate(pfn, pages);
    },
  };
}

/** Changes a software bit of the leaf that maps the first page of vmalloc. */
function marksVmalloc(original: FrameKeys, container: DependencyContainer): Partial<FrameKeys> {
  return {
    set(pfn, pkey) {
      const { high, low } = toWords(resolve(container, PgtableArch).layout.vmallocStart);
      resolve(container, Cpus).current.mmu.walk(high, low, (step) => {
        const marked = { high: step.high, low: step.low ^ FrameBit.KEPT };
        if (step.type === "leaf") resolve(container, PhysicalMemory).write(step.table, step.index, marked);
      });
      original.set(pfn, pkey);
    },
  };
}

function withoutBarrier(): Broken["plugin"] {
  return kpkeys((original) => ({
    leaveContext: (saved, slot) => {
      original.leaveContext(saved, slot, true);
    },
  }));
}

/** Lets an access through that went through before. */
function remembering(original: Cpu): Partial<Cpu> {
  const allowed = new Set<string>();
  return {
    access(...access) {
      if (allowed.has(String(access))) return OK;
      const status = original.access(...access);
      if (status === OK) allowed.add(String(access));
      return status;
    },
  };
}
