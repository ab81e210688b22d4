import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frameKeys } from "../../../../examples/frame-keys/src/index.js";
import { FORMAT } from "../../../../examples/frame-keys/src/format.js";
import {
  ArchTools,
  CpuFactory,
  FrameKeys,
  KpkeysArch,
  PgtableArch,
  PkeyRegister,
  toPfn,
  toPkey,
} from "../../src/contracts/index.js";
import type { PageTableFormat, Pfn } from "../../src/contracts/index.js";
import { BareMachine, FrameKeyStore } from "../../src/machine/index.js";
import { createContainer, registerArch, resolve } from "../../src/index.js";
import type { CpuPlace } from "../../src/index.js";
import { codeOf } from "../code-of.js";

const ADDRESS = 0xffff_ffff_c020_0000n;
const PAGE = 0x1000n;
const KEY = toPkey(1);

/** A machine that keeps keys with frames, a mapped page, and its keys. Key 1 is read-only. */
function machine(): { machine: BareMachine; frames: FrameKeys; first: Pfn } {
  let frames: FrameKeys | undefined;
  const bare = new BareMachine({
    ...frameKeys,
    setup(container, options) {
      frameKeys.setup(container, options);
      frames = resolve(container, FrameKeys);
    },
  });
  const first = bare.map(ADDRESS, "PAGE_KERNEL");
  bare.setRights({ 1: "r" });
  return { machine: bare, frames: frames!, first };
}

describe("the key of a frame", () => {
  it("decides a store after its invalidation; until then a translation in the TLB lets it through", () => {
    const { machine: bare, frames, first } = machine();
    // The second store takes the fast path.
    expect(bare.store(ADDRESS, 1n)).toBeUndefined();
    expect(bare.store(ADDRESS, 2n)).toBeUndefined();
    frames.set(first, KEY);
    expect(bare.cpu.mmu.auditTlb(() => undefined)).toBe(1);
    expect(bare.store(ADDRESS, 3n)).toBeUndefined();
    frames.invalidate(first, 1);
    expect(bare.cpu.mmu.auditTlb(() => undefined)).toBe(0);
    expect(bare.store(ADDRESS, 4n)).toMatchObject({ kind: "PKEY", address: ADDRESS, pkey: 1 });
    expect(bare.load(ADDRESS)).toBe(3n);
  });

  it("is read at once by a translation that is not in the TLB", () => {
    const { machine: bare, frames, first } = machine();
    frames.set(first, KEY);
    expect(bare.store(ADDRESS, 1n)).toMatchObject({ kind: "PKEY", pkey: 1 });
  });

  it("is invalidated with exactly the frames of a run, with one operation", () => {
    const { machine: bare, frames, first } = machine();
    const pages = [0n, 1n, 2n, 3n, 4n, 5n].map((page) => ADDRESS + page * PAGE);
    const pfns = pages.map((address) => bare.map(address, "PAGE_KERNEL"));
    expect(pfns).toEqual(pages.map((_, i) => first + i));
    const { counters } = bare.cpu;
    for (let from = 0; from < pages.length; from++) {
      for (let to = from + 1; to <= pages.length; to++) {
        for (const address of pages) bare.store(address, 1n);
        const { walks, tlbInvalidations } = counters;
        frames.invalidate(pfns[from]!, to - from);
        for (const address of pages.slice(0, from)) bare.store(address, 2n);
        for (const address of pages.slice(to)) bare.store(address, 2n);
        expect(counters).toMatchObject({ walks, tlbInvalidations: tlbInvalidations + 1 });
        for (const address of pages) bare.store(address, 3n);
        expect(counters.walks).toBe(walks + to - from);
      }
    }
  });
});

describe("a store of keys", () => {
  it("has the last key of each frame, for any frames", () => {
    const frame = fc.oneof(fc.integer({ min: 65_530, max: 65_545 }), fc.integer({ min: 0, max: 2 ** 31 - 1 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(frame, fc.integer({ min: 0, max: 15 }))), (changes) => {
        const store = new FrameKeyStore(() => ({ all: [], current: undefined! }));
        const expected = new Map<number, number>();
        for (const [pfn, pkey] of changes) {
          store.set(toPfn(pfn), toPkey(pkey));
          expected.set(pfn, pkey);
          for (const near of [pfn - 1, pfn, pfn + 1]) {
            expect(store.get(toPfn(near))).toBe(expected.get(near) ?? 0);
          }
        }
        for (const [pfn, pkey] of expected) expect(store.get(toPfn(pfn))).toBe(pkey);
      }),
    );
  });
});

describe("an architecture with the keys of pages", () => {
  const ZERO = { high: 0, low: 0 };
  const keyed = { ...FORMAT, entryKeys: { pkeyOf: () => KEY, pkeyChange: () => ({ clear: ZERO, set: ZERO }) } };
  const store = new FrameKeyStore(() => ({ all: [], current: undefined! }));

  /** Registers the example architecture with another place of its keys. @returns the code of the error */
  function register(pageTableFormat: PageTableFormat, frames: FrameKeys | undefined): string {
    const example = createContainer();
    frameKeys.setup(example, {});
    const services = {
      pkeyRegister: resolve(example, PkeyRegister),
      pgtable: resolve(example, PgtableArch),
      tools: resolve(example, ArchTools),
      createKpkeysArch: () => resolve(example, KpkeysArch),
      createCpu: ({ id }: CpuPlace) => resolve(example, CpuFactory).create(id),
    };
    return codeOf(() => {
      registerArch(createContainer(), { ...services, pageTableFormat, ...(frames && { frameKeys: frames }) });
    });
  }

  it("in entries or with frames is registered", () => {
    expect(register(keyed, undefined)).toBe("nothing thrown");
    expect(register(FORMAT, store)).toBe("nothing thrown");
  });

  it("in both places or in none is refused", () => {
    expect(register(keyed, store)).toBe("ERR_PLUGIN_ARCH");
    expect(register(FORMAT, undefined)).toBe("ERR_PLUGIN_ARCH");
  });
});
