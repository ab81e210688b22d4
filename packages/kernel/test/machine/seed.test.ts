import { Access, Privilege, toVpn, wordsOf } from "@kpkeys/core/contracts";
import { expect, it } from "vitest";
import type { PluginOptions } from "@kpkeys/core/contracts";
import { boot, PAGE_SHIFT } from "../support/machine.js";
import { BASE, Process } from "../support/process.js";

/** Number of walks of a process with more pages than TLB entries. It depends on the evicted entries. */
function walks(seed: number, tlb: PluginOptions): number {
  const process = new Process(boot({ seed, options: { "odd-arch": { tlb } } }));
  const cpu = process.machine.cpus.current;
  process.mmap(BASE, 24);
  for (let page = BASE; page < BASE + 24; page++) process.touch(page, Access.WRITE);
  const before = cpu.counters.walks;
  for (let i = 0; i < 400; i++) {
    const page = BASE + ((i * i) % 24);
    const { high, low } = wordsOf(toVpn(page), PAGE_SHIFT);
    cpu.access(high, low, Access.READ, Privilege.USER);
  }
  return cpu.counters.walks - before;
}

const random = { sets: 1, ways: 6, replacement: "random" };
const seeds = [0, 1, 2, 3, 4, 5, 6, 7];

it("equal seeds give equal evictions, different seeds different ones", () => {
  const counts = seeds.map((seed) => walks(seed, random));
  expect(seeds.map((seed) => walks(seed, random))).toEqual(counts);
  expect(new Set(counts).size).toBeGreaterThan(1);
});

it("a seed in option tlb has precedence over the machine's seed", () => {
  expect(new Set(seeds.map((seed) => walks(seed, { ...random, seed: 3 })))).toEqual(new Set([walks(3, random)]));
});

it("a machine without random replacement does not depend on the seed", () => {
  expect(new Set(seeds.map((seed) => walks(seed, { ...random, replacement: "lru" }))).size).toBe(1);
});
