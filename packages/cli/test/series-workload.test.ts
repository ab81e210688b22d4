import { digestTables } from "@kpkeys/kernel";
import { embeddedTrace, replayFile } from "@kpkeys/workloads/node";
import { expect, test } from "vitest";
import { bootSeries, expectDocumented, placesOf } from "./series-machine.js";

// Every version on both architectures, at every event and with the build of Lua: slow/series-workload.test.ts.
test.each([
  ["arm64-poe", "next"],
  ["x86-pks", "v3"],
] as const)("on %s in %s the scan after each of the first events of gcc finds the same gaps", async (arch, series) => {
  const machine = await bootSeries(arch, series, "batched");
  const { check } = await replayFile(machine, embeddedTrace.trace, { check: "step", until: { events: 300 } });
  expect(check!.scans).toBe(302);
  expectDocumented(series, check!, false);
});

test.each([
  ["arm64-poe", "v3"],
  ["x86-pks", "next"],
] as const)("on %s in %s naive and batched end in identical tables", async (arch, series) => {
  const ends = [];
  for (const policy of ["naive", "batched"] as const) {
    const machine = await bootSeries(arch, series, policy);
    await replayFile(machine, embeddedTrace.trace);
    ends.push(digestTables(machine.memory, machine.scan()));
  }
  expect(ends[1]).toBe(ends[0]);
});

test("an undocumented gap has a line, an address and a table", async () => {
  const machine = await bootSeries("arm64-poe", "next", "batched", { vmemmap: false });
  const { check } = await replayFile(machine, embeddedTrace.trace, { check: "sampled" });
  expect(placesOf(check!.gaps)).toEqual(["vmemmap linear"]);
  for (const { line, address, table } of check!.gaps) {
    expect(line).toBe(0);
    expect(address).toMatch(/^ffff[0-9a-f]{12}$/);
    expect(machine.memory.contains(table)).toBe(true);
  }
});
