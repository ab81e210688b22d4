import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Vmalloc } from "@kpkeys/core/contracts";
import { digestTables } from "@kpkeys/kernel";
import { embeddedTrace, replayFile } from "@kpkeys/workloads/node";
import { describe, expect, test } from "vitest";
import { BUNDLED, idsOf } from "../../src/plugins/registry.js";
import { SERIES } from "@kpkeys/scenarios";
import type { SeriesName } from "@kpkeys/scenarios";
import { bootSeries, expectDocumented } from "../series-machine.js";

const LUA_BUILD = fileURLToPath(new URL("../../../../../shared/traces/lua-build.perf-script.txt.gz", import.meta.url));
const arches = idsOf("arch", BUNDLED);
const versions = Object.keys(SERIES) as SeriesName[];
/** The versions with different options. */
const different = versions.filter((name, at) => versions.findIndex((other) => SERIES[other] === SERIES[name]) === at);

describe.each(arches)("on %s", (arch) => {
  if (!existsSync(LUA_BUILD)) console.warn(`the build of Lua is not replayed: ${LUA_BUILD} does not exist`);

  test.skipIf(!existsSync(LUA_BUILD)).each(different)(
    "every scan during a build of Lua finds exactly the documented gaps of %s",
    async (series) => {
      const machine = await bootSeries(arch, series, "batched");
      // Kernel tables that are allocated after boot, as on every system before its first process.
      machine.get(Vmalloc).alloc(4);
      const { check, trace } = await replayFile(machine, LUA_BUILD, { check: "sampled" });
      expect(trace.events).toBe(176_996);
      expect(check!.scans).toBeGreaterThan(200);
      expectDocumented(series, check!, true);
    },
  );

  test.each(["v3", "next"] as const)("in %s the scan after each event of gcc finds the same gaps", async (series) => {
    const machine = await bootSeries(arch, series, "batched");
    const { check, trace } = await replayFile(machine, embeddedTrace.trace, { check: "step" });
    expect(check!.scans).toBe(trace.events + 2);
    expectDocumented(series, check!, false);
  });

  test.each(different)("in %s naive and batched end in identical tables", async (series) => {
    const ends = [];
    for (const policy of ["naive", "batched"] as const) {
      const machine = await bootSeries(arch, series, policy);
      await replayFile(machine, embeddedTrace.trace);
      ends.push(digestTables(machine.memory, machine.scan()));
    }
    expect(ends[1]).toBe(ends[0]);
  });

  test("all versions and table allocators end in the same translations", async () => {
    const digests = new Map<string, string>();
    for (const series of different) {
      // Versions key the mapping of the image differently, and v6 maps IRQ stacks: use the same options for all.
      const machine = await bootSeries(arch, series, "batched", { staticAliases: "linear" }, { irqStacks: "linear" });
      await replayFile(machine, embeddedTrace.trace);
      digests.set(series, machine.digestTranslations());
    }
    expect(new Set(digests.values()).size, JSON.stringify([...digests])).toBe(1);
  });
});
