import {
  PageAllocator,
  ProtectedObjects,
  SetMemory,
  LinearMap,
  toPfn,
  toPkey,
  toVpn,
  Vmalloc,
  wordsOf,
} from "@kpkeys/core/contracts";
import { resolve } from "@kpkeys/core";
import type { Pfn, Vpn } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Machine } from "../../src/machine/machine.js";
import { pgtableVariant } from "../support/arches.js";
import { boot, PAGE_SHIFT, staleTranslations } from "../support/machine.js";

/** Page frames that the owner of vm_map_ram areas has. */
const OWN = 6;

interface Area {
  readonly page: Vpn;
  readonly frames: readonly Pfn[];
  /** Whether vmalloc allocated the frames. */
  readonly owned: boolean;
}

type Step =
  | { readonly op: "alloc"; readonly pages: number; readonly key: number; readonly huge: boolean }
  | { readonly op: "map"; readonly pages: number; readonly rotate: number }
  | { readonly op: "set"; readonly area: number; readonly from: number; readonly pages: number; readonly key: number }
  | { readonly op: "setOwn"; readonly frame: number; readonly key: number }
  | { readonly op: "free"; readonly area: number };

const key = fc.nat(2);
const STEPS: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    fc.record({ op: fc.constant("alloc" as const), pages: fc.integer({ min: 1, max: 6 }), key, huge: fc.boolean() }),
    fc.record({ op: fc.constant("map" as const), pages: fc.integer({ min: 1, max: OWN }), rotate: fc.nat(OWN) }),
    fc.record({
      op: fc.constant("set" as const),
      area: fc.nat(9),
      from: fc.nat(5),
      pages: fc.integer({ min: 1, max: 5 }),
      key,
    }),
    fc.record({ op: fc.constant("setOwn" as const), frame: fc.nat(OWN - 1), key }),
    fc.record({ op: fc.constant("free" as const), area: fc.nat(9) }),
  ),
  { maxLength: 12 },
);

/** The owner of areas and of page frames. Keeps the expected key of each of its frames. */
class Owner {
  readonly areas: Area[] = [];
  readonly own: Pfn[];
  readonly keys = new Map<Pfn, number>();
  private readonly vmalloc: Vmalloc;
  private readonly setMemory: SetMemory;
  private readonly linear: LinearMap;

  constructor(private readonly machine: Machine) {
    this.vmalloc = machine.get(Vmalloc);
    this.setMemory = machine.get(SetMemory);
    this.linear = machine.get(LinearMap);
    this.own = Array.from({ length: OWN }, () => machine.get(PageAllocator).alloc(0)!);
  }

  run(step: Step): void {
    switch (step.op) {
      case "alloc":
        this.alloc(step.pages, step.key, step.huge);
        return;
      case "map":
        this.map(step.pages, step.rotate);
        return;
      case "set":
        this.set(this.pick(step.area), step.from, step.pages, step.key);
        return;
      case "setOwn":
        this.setOwn(this.own[step.frame]!, step.key);
        return;
      case "free":
        this.free(this.pick(step.area));
    }
  }

  /** Frees all areas and sets key 0 of the owner's frames. */
  finish(): void {
    while (this.areas.length > 0) this.free(this.areas[0]);
    for (const frame of this.own) this.setOwn(frame, 0);
  }

  private pick(n: number): Area | undefined {
    return this.areas[n % Math.max(1, this.areas.length)];
  }

  private alloc(pages: number, pkey: number, huge: boolean): void {
    const page = this.vmalloc.alloc(pages, { huge, ...(pkey === 0 ? {} : { pkey: toPkey(pkey) }) })!;
    const frames: Pfn[] = [];
    for (let pfn = this.vmalloc.pfnOf(page); pfn !== undefined; pfn = this.vmalloc.pfnOf(toVpn(page + frames.length)))
      frames.push(pfn);
    expect(frames.length).toBeGreaterThanOrEqual(pages);
    for (const frame of frames) this.keys.set(frame, pkey);
    this.areas.push({ page, frames, owned: true });
  }

  /** Maps the owner's frames if they are not mapped. Sets the key of the new aliases, as vm_map_ram asks of the owner. */
  private map(pages: number, rotate: number): void {
    if (this.areas.some(({ owned }) => !owned)) return;
    const frames = this.own.map((_, i) => this.own[(i + rotate) % OWN]!).slice(0, pages);
    const page = this.vmalloc.mapRam(frames)!;
    this.areas.push({ page, frames, owned: false });
    frames.forEach((frame, i) => {
      const pkey = toPkey(this.keys.get(frame) ?? 0);
      if (pkey !== 0) expect(this.setMemory.setMemoryPkey(toVpn(page + i), 1, pkey)).toBe(0);
    });
  }

  private set(area: Area | undefined, from: number, pages: number, pkey: number): void {
    if (area === undefined || from >= area.frames.length) return;
    const inside = from + pages <= area.frames.length;
    const errno = this.setMemory.setMemoryPkey(toVpn(area.page + from), pages, toPkey(pkey));
    expect(errno).toBe(inside ? 0 : -22);
    if (inside) for (const frame of area.frames.slice(from, from + pages)) this.keys.set(frame, pkey);
  }

  /** A frame without an area: by its page in the linear map. */
  private setOwn(frame: Pfn, pkey: number): void {
    if (this.areas.some(({ frames }) => frames.includes(frame))) return;
    expect(this.setMemory.setMemoryPkey(this.linear.pageOf(frame), 1, toPkey(pkey))).toBe(0);
    this.keys.set(frame, pkey);
  }

  private free(area: Area | undefined): void {
    if (area === undefined) return;
    this.areas.splice(this.areas.indexOf(area), 1);
    if (!area.owned) {
      this.vmalloc.unmapRam(area.page);
      return;
    }
    this.vmalloc.free(area.page);
    for (const frame of area.frames) this.keys.delete(frame);
  }

  /** Fills the TLBs with the translations of all aliases. */
  touch(): void {
    const pages = [...this.keys.keys()].map((frame) => this.linear.pageOf(frame));
    for (const { page, frames } of this.areas) pages.push(...frames.map((_, i) => toVpn(page + i)));
    for (const page of pages) {
      const { high, low } = wordsOf(page, PAGE_SHIFT);
      for (const cpu of this.machine.cpus.all) cpu.load64(high, low);
    }
  }
}

/** RAM of the example architecture starts here. */
const FIRST_PFN = 2 ** 16;
const PAGES = 96 * 2 ** 6;

/** A machine whose scanner looks at the given frames. */
function scanned(linearMap: "pte" | "block", frames: () => Iterable<Pfn>): Machine {
  return boot(
    { cpus: 2, kernel: { linearMap } },
    {
      arch: pgtableVariant({ contPteOrder: 2 }),
      attach(_, container) {
        resolve(container, ProtectedObjects).declare({
          feature: "test",
          objects: () => [...frames()].map((pfn) => ({ pfn, offset: 0, size: 8, pkey: toPkey(0), source: "frame" })),
        });
      },
    },
  );
}

it.each(["pte", "block"] as const)(
  "every alias of a frame has its key, and a free frame has none, after all sequences: linear map of %s",
  (linearMap) => {
    const all = Array.from({ length: PAGES }, (_, i) => toPfn(FIRST_PFN + i));
    fc.assert(
      fc.property(STEPS, (steps) => {
        let frames: Iterable<Pfn> = all;
        const machine = scanned(linearMap, () => frames);
        const aliasesOf = (): (readonly [pfn: number, keys: readonly number[]])[] =>
          machine.scanObjects().map(({ pfn, aliases }) => [pfn, aliases.map(({ pkey }) => pkey)]);
        const booted = aliasesOf();
        const owner = new Owner(machine);
        for (const step of steps) {
          owner.touch();
          owner.run(step);
          const mapped = new Set(owner.areas.flatMap(({ frames }) => frames));
          const expected = [...owner.keys].map(([pfn, pkey]) => [pfn, mapped.has(pfn) ? [pkey, pkey] : [pkey]]);
          frames = [...owner.keys.keys()];
          expect(aliasesOf()).toEqual(expected);
          expect(staleTranslations(machine)).toBe(0);
        }
        owner.finish();
        frames = all;
        expect(aliasesOf()).toEqual(booted);
      }),
      { numRuns: 15 },
    );
  },
);
