import { BpfJit } from "@kpkeys/bpf-hardening";
import type { BpfImage } from "@kpkeys/bpf-hardening";
import { fromWords, toWords } from "@kpkeys/core";
import { Exceptions, Kpkeys, PageKeys, pageOf, toVpn, Vmalloc } from "@kpkeys/core/contracts";
import type { Vpn } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ARCHES, leafOf, machine } from "./machines.js";

/** A loaded program with the bytes that it must have. */
interface Loaded {
  readonly image: BpfImage;
  readonly bytes: Uint8Array;
}

type Step = (jit: BpfJit, loaded: Loaded[]) => void;

const length = fc.oneof(
  { weight: 20, arbitrary: fc.integer({ min: 1, max: 6000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 2 ** 21 - 100, max: 2 ** 21 + 5000 }) },
);

const load = fc.tuple(length, fc.nat(255)).map<Step>(([length, seed]) => (jit, loaded) => {
  const bytes = Uint8Array.from({ length }, (_, index) => seed + index * 3);
  const image = jit.load(bytes);
  if (typeof image === "number") throw new Error(`errno ${image}`);
  loaded.push({ image, bytes });
});

const unload = fc.nat().map<Step>((nth) => (jit, loaded) => {
  if (loaded.length === 0) return;
  const [{ image }] = loaded.splice(nth % loaded.length, 1) as [Loaded];
  expect(jit.unload(image)).toBe(0);
});

const patch = fc
  .tuple(fc.nat(), fc.nat(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
  .map<Step>(([nth, place, value]) => (jit, loaded) => {
    const { image, bytes } = loaded[nth % loaded.length] ?? {};
    const words = Math.floor((bytes?.length ?? 0) / 8);
    if (image === undefined || words === 0) return;
    const offset = (place % words) * 8;
    const view = new DataView(bytes!.buffer);
    const from = toWords(view.getBigUint64(offset, true));
    expect(jit.patch(image, offset, from, toWords(value))).toBe(0);
    view.setBigUint64(offset, value, true);
  });

/** Bytes from the start of an image, with its header, and one past its last. */
function rangeOf({ address: { high, low }, size }: BpfImage): [bigint, bigint] {
  const start = fromWords(high, low) - 8n;
  return [start, start + BigInt(size)];
}

function checkImages(booted: Machine, loaded: readonly Loaded[]): void {
  const jit = booted.get(BpfJit);
  const ranges = [...jit.images].map(rangeOf).sort(([a], [b]) => Number(a - b));
  for (let i = 1; i < ranges.length; i++) expect(ranges[i]![0] >= ranges[i - 1]![1]).toBe(true);
  for (const { image, bytes } of loaded) {
    const found = booted.get(Exceptions).copyFromKernelNofault(image.address, Math.ceil(bytes.length / 8) * 8);
    expect(Buffer.compare(Buffer.from((found as Uint8Array).subarray(0, bytes.length)), bytes)).toBe(0);
    expect(jit.run(image)).toBe(0);
  }
}

/** Pages of the packs: an image's pages and all pages next to them, up to the guard pages. */
function packFrames(booted: Machine): Set<number> {
  const vmalloc = booted.get(Vmalloc);
  const frames = new Set<number>();
  const collect = (page: Vpn, step: number): void => {
    for (let at = page; ; at = toVpn(at + step)) {
      const pfn = vmalloc.pfnOf(at);
      if (pfn === undefined || (at !== page && frames.has(pfn))) return;
      frames.add(pfn);
    }
  };
  for (const { address } of booted.get(BpfJit).images) {
    const page = pageOf(address, booted.memory.pageShift);
    if (frames.has(vmalloc.pfnOf(page)!)) continue;
    collect(page, 1);
    collect(toVpn(page - 1), -1);
  }
  return frames;
}

/** Every mapping of an image has the key, and in the linear map exactly the pages of the packs have it. */
function checkKeys(booted: Machine): void {
  const key = booted.get(Kpkeys).pkey("BPF");
  for (const { aliases } of booted.scanObjects()) expect(aliases.map(({ pkey }) => pkey)).toEqual([key, key]);
  const pageKeys = booted.get(PageKeys);
  const { firstPfn, endPfn } = booted.memory;
  const keyed: number[] = [];
  for (let pfn: number = firstPfn; pfn < endPfn; pfn++) {
    const { high, low } = leafOf(booted, pfn);
    if (pageKeys.ofLeaf(high, low, 0) === key) keyed.push(pfn);
  }
  expect(keyed).toEqual([...packFrames(booted)].sort((a, b) => a - b));
}

describe.each(ARCHES)("loads, patches and unloads in any order on %s", (arch) => {
  it("keep images apart, their contents, and the key on exactly the pages of packs", () => {
    const steps = fc.array(fc.oneof({ weight: 3, arbitrary: load }, unload, patch), { minLength: 5, maxLength: 25 });
    fc.assert(
      fc.property(steps, (steps) => {
        const booted = machine(arch, { features: ["bpf"] });
        const jit = booted.get(BpfJit);
        const loaded: Loaded[] = [];
        for (const step of steps) step(jit, loaded);
        checkImages(booted, loaded);
        checkKeys(booted);
        for (const image of [...jit.images]) expect(jit.unload(image)).toBe(0);
        checkKeys(booted);
      }),
      { numRuns: 12 },
    );
  });
});
