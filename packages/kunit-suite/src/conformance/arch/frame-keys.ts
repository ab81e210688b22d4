import { Access, FaultKind, OK, Privilege, toPfn, toPkey } from "@kpkeys/core/contracts";
import type { FrameKeys } from "@kpkeys/core/contracts";
import { toWords } from "@kpkeys/core/machine";
import { Bench } from "../bench.js";
import type { ConformanceRule } from "../rule.js";
import { checkOutcome, valueText } from "../text.js";
import { needsFrameKeys } from "./key-place.js";

const SOURCE = "contract FrameKeys; z/Architecture Principles of Operation, Storage Key";

/** The keys of frames, which every rule of this file needs. */
const framesOf = ({ frameKeys }: Bench): FrameKeys => frameKeys!;

/** Frames of RAM: its first and last one, and the data pages on both sides of the first chunk of 65,536 frames. */
function someFrames({ memory, dataPfn }: Bench): number[] {
  return [memory.firstPfn, dataPfn, dataPfn + 1, memory.firstPfn + 65_535, memory.firstPfn + 65_536, memory.endPfn - 1];
}

const readBack: ConformanceRule = {
  id: "frame-keys/read-back",
  sentence: "the key of a frame is 0 until it is set, and then the last one that was set",
  source: `${SOURCE}; ISKE and SSKE`,
  skip: needsFrameKeys,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const frames = framesOf(bench);
    for (const frame of someFrames(bench)) {
      const pfn = toPfn(frame);
      if (frames.get(pfn) !== 0) report(`the key of frame ${pfn} is ${frames.get(pfn)} before it is set; expected 0`);
      for (const key of [...bench.keys, ...bench.keys.toReversed()]) {
        frames.set(pfn, toPkey(key));
        if (frames.get(pfn) !== key) report(`the key of frame ${pfn} is ${frames.get(pfn)}; expected ${key}`);
      }
    }
  },
};

const others: ConformanceRule = {
  id: "frame-keys/others",
  sentence: "a change of the key of one frame changes the key of no other frame",
  source: SOURCE,
  skip: needsFrameKeys,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const frames = framesOf(bench);
    const all = someFrames(bench);
    const expected = new Map(all.map((frame, i) => [frame, i % bench.keys.length]));
    for (const [frame, key] of expected) frames.set(toPfn(frame), toPkey(key));
    for (const changed of all) {
      for (const key of bench.keys) {
        frames.set(toPfn(changed), toPkey(key));
        expected.set(changed, key);
        for (const [frame, wanted] of expected) {
          const found = frames.get(toPfn(frame));
          if (found !== wanted)
            report(`after frame ${changed} got key ${key}, frame ${frame} has ${found}; expected ${wanted}`);
        }
      }
    }
  },
};

/** Two mappings of the first data page, whose page numbers differ in the lowest bit: one does not evict the other from a TLB of sets. */
function mapTwice(bench: Bench): readonly [bigint, bigint] {
  const { vmallocStart, linearMap } = bench.pgtable.layout;
  const addresses = [vmallocStart, linearMap + (1n << BigInt(bench.format.geometry.pageShift))] as const;
  for (const address of addresses) bench.mapPage(address, "PAGE_KERNEL");
  return addresses;
}

const aliases: ConformanceRule = {
  id: "frame-keys/aliases",
  sentence:
    "the key of a frame decides the accesses through every mapping and on every CPU, at the latest after its invalidation",
  source: `${SOURCE}; contract PageKeys`,
  skip: needsFrameKeys,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const frames = framesOf(bench);
    const { cpus, kpkeys, managed } = bench;
    const addresses = mapTwice(bench);
    const { high, low } = kpkeys.initialValue();
    for (const cpu of cpus.all) {
      cpu.writePkeyRegister(high, low);
      cpu.synchronise();
    }
    for (const pkey of [managed, 0, managed]) {
      frames.set(toPfn(bench.dataPfn), toPkey(pkey));
      frames.invalidate(toPfn(bench.dataPfn), 1);
      for (const cpu of cpus.all) {
        for (const address of addresses) {
          const words = toWords(address);
          const status = cpu.access(words.high, words.low, Access.WRITE, Privilege.KERNEL);
          const kind = status === OK ? undefined : cpu.fault.kind;
          const what = `a write to ${valueText(words)} on CPU ${cpu.id} after the frame got key ${pkey}`;
          checkOutcome(report, what, kind, pkey === 0 ? undefined : FaultKind.PKEY);
        }
      }
    }
  },
};

const atFill: ConformanceRule = {
  id: "frame-keys/fill",
  sentence:
    "a translation that is not in the TLB has the new key of its frame without an invalidation, and the audit finds one that has the old key",
  source: `${SOURCE}; contract Mmu.auditTlb`,
  skip: needsFrameKeys,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const { cpu, kpkeys, managed } = bench;
    const [cached, fresh] = mapTwice(bench);
    bench.setRegister(kpkeys.initialValue());
    checkOutcome(report, "a write before the frame has a key", bench.attempt(cached, Access.WRITE), undefined);
    framesOf(bench).set(toPfn(bench.dataPfn), toPkey(managed));
    checkOutcome(
      report,
      "a write through a mapping that is not in the TLB",
      bench.attempt(fresh, Access.WRITE),
      FaultKind.PKEY,
    );
    const isStale = bench.attempt(cached, Access.WRITE) === undefined;
    if (isStale && cpu.mmu.auditTlb(() => undefined) === 0)
      report("a translation with the old key is used, and the audit does not find it");
    framesOf(bench).invalidate(toPfn(bench.dataPfn), 1);
    const left = cpu.mmu.auditTlb(() => undefined);
    if (left !== 0) report(`after the invalidation the audit finds ${left} stale TLB entries`);
  },
};

const entries: ConformanceRule = {
  id: "frame-keys/entries",
  sentence: "a change of the key of a frame and its invalidation change no entry of the tables",
  source: SOURCE,
  skip: needsFrameKeys,
  check({ plugin }, report) {
    const bench = new Bench(plugin);
    const frames = framesOf(bench);
    const steps: { table: number; index: number; high: number; low: number }[] = [];
    for (const address of mapTwice(bench)) {
      bench.attempt(address, Access.WRITE);
      const { high, low } = toWords(address);
      bench.cpu.mmu.walk(high, low, (step) => steps.push({ ...step }));
    }
    for (const key of bench.keys) {
      frames.set(toPfn(bench.dataPfn), toPkey(key));
      frames.invalidate(toPfn(bench.dataPfn), 1);
      for (const before of steps) {
        const after = bench.memory.readEntry(toPfn(before.table), before.index);
        if (after.high !== before.high || after.low !== before.low)
          report(`key ${key} changed an entry from ${valueText(before)} to ${valueText(after)}`);
      }
    }
  },
};

/** Rules of the keys of frames. */
export const FRAME_KEY_RULES: readonly ConformanceRule[] = [readBack, others, aliases, atFill, entries];
