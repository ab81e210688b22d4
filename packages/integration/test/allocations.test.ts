import { getHeapStatistics } from "node:v8";
import { PageTables } from "@kpkeys/core/contracts";
import { expect, it } from "vitest";
import { hardened } from "./machines.js";

const WRITES = 1_000_000;
const PARTS = 20;

it("a million guarded writes allocate nothing", () => {
  const tables = hardened("arm64-poe").get(PageTables);
  const own = Int32Array.from({ length: 16 }, () => tables.allocTable("kernel"));
  const used = new Float64Array(PARTS + 1);

  function write(times: number): void {
    for (let i = 0; i < times; i++) tables.setPte(own[i & 15]!, (i >>> 4) & 511, { high: 0, low: (i << 12) | 0x703 });
  }

  // Compiled code allocates no numbers that do not fit into a word; code that is still interpreted may.
  write(WRITES);
  for (let part = 0; part < PARTS; part++) {
    used[part] = getHeapStatistics().used_heap_size;
    write(WRITES / PARTS);
  }
  used[PARTS] = getHeapStatistics().used_heap_size;
  const grown = Array.from({ length: PARTS }, (_, part) => used[part + 1]! - used[part]!).sort((a, b) => a - b);
  // The statistics are objects themselves. One object of the smallest size a write would be 800,000 bytes a part.
  expect(grown[PARTS >> 1]).toBeLessThan(20_000);
  expect(grown[PARTS >> 1]).toBeGreaterThanOrEqual(0);
});
