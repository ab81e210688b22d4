import type { PluginOptions } from "@kpkeys/core/contracts";
import { digestTables } from "@kpkeys/kernel";
import { embeddedTrace, replayFile } from "@kpkeys/workloads/node";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened, staleOn } from "../machines.js";

describe.each(ARCHES)("the TLB's geometry on %s", (arch) => {
  const GEOMETRIES: readonly PluginOptions[] = [
    { sets: 1024, ways: 1 },
    { ways: 0 },
    { sets: 0, ways: 4 },
    { sets: 64, ways: 1 },
    { sets: 16, ways: 4, replacement: "lru" },
    { sets: 16, ways: 4, replacement: "fifo" },
    { sets: 1, ways: 64, replacement: "random", seed: 7 },
    { sets: 4096, ways: 2, replacement: "lru" },
  ];

  it("is not seen in what the kernel does, only in how often hardware walks; and the kernel forgets no invalidation", async () => {
    const walks = new Set<string>();
    const ends = new Set<string>();
    for (const tlb of GEOMETRIES) {
      const spec = { memory: [{ bytes: 1024 ** 3 }], cpus: 2, options: { [arch]: { tlb } } };
      const machine = hardened(arch, {}, spec);
      let audits = 0;
      const audit = (): void => {
        audits++;
        expect(machine.cpus.all.map(staleOn)).toEqual([[], []]);
      };
      audit();
      const { counters } = await replayFile(machine, embeddedTrace.trace, { onPeak: audit });
      audit();
      expect(audits).toBeGreaterThan(2);
      const ofCpus = machine.cpus.all.map((cpu) => ({ ...cpu.counters, walks: 0 }));
      ends.add(JSON.stringify([digestTables(machine.memory, machine.scan()), counters, ofCpus]));
      walks.add(JSON.stringify(machine.cpus.all.map((cpu) => cpu.counters.walks)));
    }
    expect(ends.size).toBe(1);
    expect(walks.size).toBe(GEOMETRIES.length - 1);
  });
});
