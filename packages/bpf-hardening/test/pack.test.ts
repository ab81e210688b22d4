import { toPfn, toVpn } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { expect, it } from "vitest";
import { CHUNK_BYTES, ProgPack } from "../src/pack.js";

const PAGE = 4096;
const FRAMES = [7, 3, 9].map((pfn) => toPfn(pfn));
const CHUNKS = (FRAMES.length * PAGE) / CHUNK_BYTES;

it("takes the first free run that is long enough", () => {
  const chunks = fc.integer({ min: 1, max: CHUNKS });
  const operations = fc.array(fc.record({ chunks, frees: fc.nat() }), { maxLength: 60 });
  fc.assert(
    fc.property(operations, (steps) => {
      const pack = new ProgPack(toVpn(64), FRAMES, PAGE);
      const used = "-".repeat(CHUNKS).split("");
      const taken: { offset: number; bytes: number }[] = [];
      for (const { chunks, frees } of steps) {
        const first = used.join("").indexOf("-".repeat(chunks));
        const offset = pack.take(chunks * CHUNK_BYTES);
        expect(offset).toBe(first < 0 ? undefined : first * CHUNK_BYTES);
        if (offset !== undefined) {
          used.fill("x", first, first + chunks);
          taken.push({ offset, bytes: chunks * CHUNK_BYTES });
        }
        if (taken.length === 0 || frees % 2 === 0) continue;
        const [freed] = taken.splice(frees % taken.length, 1);
        pack.release(freed!.offset, freed!.bytes);
        used.fill("-", freed!.offset / CHUNK_BYTES, (freed!.offset + freed!.bytes) / CHUNK_BYTES);
        expect(pack.isEmpty).toBe(taken.length === 0);
      }
    }),
  );
});

it("divides a run at page boundaries, in the order of the frames", () => {
  const pack = new ProgPack(toVpn(64), FRAMES, PAGE);
  expect([...pack.parts(PAGE - 64, PAGE + 192)]).toEqual([
    { pfn: 7, offset: PAGE - 64, done: 0, bytes: 64 },
    { pfn: 3, offset: 0, done: 64, bytes: PAGE },
    { pfn: 9, offset: 0, done: PAGE + 64, bytes: 128 },
  ]);
});
