import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedTrace, readTrace } from "@kpkeys/workloads/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runJob } from "../src/job.js";
import type { Job, JobResult } from "../src/job.js";
import type { Policy } from "@kpkeys/scenarios";
import { jobFor } from "./job-for.js";
import { machinesOf, packetsOf } from "./perfetto.js";
import type { Read } from "./perfetto.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Values of the key register in DEFAULT and in PGTABLES, with PGTABLES as the only key. */
const REGISTER = {
  "arm64-poe": { name: "POR_EL1", DEFAULT: 0x17, PGTABLES: 0x57 },
  "x86-pks": { name: "IA32_PKRS", DEFAULT: 0x55555558, PGTABLES: 0x55555550 },
} as const;

function jobOf(arch: keyof typeof REGISTER, policy: Policy, changes: { cpus?: number } = {}): Job {
  const job = jobFor(arch, { memory: 512 << 20, policy: [policy], ...changes });
  return { ...job, trace: embeddedTrace.trace, checks: ["coverage", "attack", "kunit"] };
}

/** Runs jobs whose timelines go to one file. */
async function observed(name: string, ...jobs: Job[]): Promise<{ results: JobResult[]; machines: readonly Read[] }> {
  const file = join(folder, name);
  const results = [];
  for (const [place, job] of jobs.entries())
    results.push(await runJob({ ...job, timeline: { file, path: name, place } }));
  return { results, machines: machinesOf(packetsOf(readFileSync(file))) };
}

/** Numbers of the tracks whose name matches. */
function tracksOf({ tracks }: Read, name: RegExp): number[] {
  return [...tracks.values()].filter((track) => name.test(track.name)).map(({ uuid }) => uuid);
}

function valuesOf(machine: Read, name: RegExp): number[] {
  const [track] = tracksOf(machine, name);
  return machine.events.filter((event) => event.trackUuid === track).map(({ counterValue }) => counterValue!);
}

function begun({ events }: Read, name: RegExp): Read["events"] {
  return events.filter((event) => event.type === "TYPE_SLICE_BEGIN" && name.test(event.name!));
}

describe.each(["arm64-poe", "x86-pks"] as const)("the timelines of %s", (arch) => {
  const register = REGISTER[arch];
  const policies = ["off", "naive", "batched"] as const;
  let results: JobResult[];
  let machines: readonly Read[];
  let off: Read, naive: Read, batched: Read;

  beforeAll(async () => {
    ({ results, machines } = await observed(arch, ...policies.map((policy) => jobOf(arch, policy))));
    [off, naive, batched] = machines as [Read, Read, Read];
  });

  test("are in one trace, each as a process named after its machine", () => {
    const processes = machines.map(({ tracks }) => [...tracks.values()].filter((track) => track.process !== undefined));
    expect(processes.map((list) => list.map(({ process }) => process))).toEqual(
      policies.map((policy, place) => [{ pid: place + 1, processName: `${arch} next ${policy}` }]),
    );
    for (const [place, { tracks }] of machines.entries()) {
      const [root] = processes[place]!;
      for (const { uuid, parentUuid } of tracks.values())
        expect(parentUuid).toBe(uuid === root!.uuid ? undefined : root!.uuid);
    }
  });

  test("do not change the results of the replay", async () => {
    for (const [place, policy] of policies.entries()) {
      const { replay, ...alone } = await runJob(jobOf(arch, policy));
      const { replay: watched, ...seen } = results[place]!;
      expect({ ...seen, job: null }).toEqual({ ...alone, job: null });
      expect({ ...watched, seconds: 0 }).toEqual({ ...replay, seconds: 0 });
    }
  });

  test("have the key register as a counter, with the value of the active context at every write", () => {
    const name = new RegExp(`^${register.name} of CPU 0$`);
    expect(new Set(valuesOf(off, name)).size).toBe(1);
    for (const [place, machine] of [
      [1, naive],
      [2, batched],
    ] as const) {
      const values = valuesOf(machine, name);
      expect(values).toHaveLength(1 + results[place]!.replay!.counters.registerWrites);
      expect(new Set(values)).toEqual(new Set([register.DEFAULT, register.PGTABLES]));
      const [counter] = tracksOf(machine, name);
      const [cpu] = tracksOf(machine, /^CPU 0$/);
      const open: string[] = [];
      let value = -1;
      for (const { type, trackUuid, name: slice, counterValue } of machine.events) {
        if (trackUuid === cpu) continue;
        if (trackUuid === counter) value = counterValue!;
        if (type === "TYPE_SLICE_BEGIN") open.push(slice!);
        if (type === "TYPE_SLICE_END") open.pop();
        if (type !== "TYPE_COUNTER") expect(value).toBe(register[open.includes("PGTABLES") ? "PGTABLES" : "DEFAULT"]);
      }
    }
  });

  test("have lazy MMU sections with one context inside if batched, and many otherwise", () => {
    for (const machine of machines) expect(begun(machine, /^lazy MMU$/).length).toBeGreaterThan(0);
    expect(begun(off, /^PGTABLES$/)).toEqual([]);
    const most = ({ events }: Read): number => {
      let inside = -1;
      let found = 0;
      const open: string[] = [];
      for (const { type, name } of events.filter(({ type }) => type.startsWith("TYPE_SLICE"))) {
        if (type === "TYPE_SLICE_END") {
          if (open.pop() === "lazy MMU") inside = -1;
          continue;
        }
        open.push(name!);
        if (name === "lazy MMU") inside = 0;
        if (name === "PGTABLES" && inside >= 0) found = Math.max(found, ++inside);
      }
      return found;
    };
    expect(most(batched)).toBe(1);
    expect(most(naive)).toBeGreaterThan(16);
  });

  test("count the table pages of each source, as the machine does", () => {
    for (const [place, machine] of machines.entries()) {
      const { tablesAllocated, tablesFreed } = results[place]!.replay!.counters;
      const sources = ["kernel", "user"].flatMap((source) => {
        const values = valuesOf(machine, new RegExp(`^${source} table pages$`));
        return values.length === 0 ? [] : [values];
      });
      const moments = sources.reduce((sum, values) => sum + values.length, 0);
      const started = sources.filter((values) => values[0] !== 1 || values.length === 1).length;
      expect(moments - started).toBe(tablesAllocated + tablesFreed);
      for (const values of sources) {
        values.slice(1).forEach((value, i) => {
          expect(Math.abs(value - values[i]!)).toBe(1);
        });
      }
      expect(valuesOf(machine, /^early table pages$/)).toHaveLength(1);
    }
  });

  test("have the faults with their addresses, on the track of the task", () => {
    for (const machine of machines) {
      const faults = machine.events.filter(({ type }) => type === "TYPE_INSTANT");
      expect(faults.length).toBeGreaterThan(1000);
      for (const { name, trackUuid, debugAnnotations } of faults) {
        expect(name).toMatch(/^(user|uaccess|kernel) (read|write|fetch) fault: (translation|permission|access flag)$/);
        expect(debugAnnotations).toEqual([
          { name: "address", stringValue: expect.stringMatching(/^0x[0-9a-f]{1,16}$/) as string },
        ]);
        expect(machine.tracks.get(trackUuid)!.name).toMatch(/ \d+$/);
      }
    }
  });

  test("have a track for each program of a task, and the running program on the track of the CPU", () => {
    const names = [...batched.tracks.values()].map(({ name }) => name);
    for (const program of ["gcc", "cc1", "as"])
      expect(names).toContainEqual(expect.stringMatching(new RegExp(`^${program} \\d+$`)));
    const [cpu] = tracksOf(batched, /^CPU 0$/);
    const ran = new Set(begun(batched, / \d+$/).map(({ name, trackUuid }) => (trackUuid === cpu ? name : "elsewhere")));
    expect(ran).not.toContain("elsewhere");
    expect([...ran].some((name) => name!.startsWith("cc1 "))).toBe(true);
  });

  test("start at the time of the first event and end at the time of the last", async () => {
    const times: number[] = [];
    await readTrace(embeddedTrace.trace, ({ time }) => times.push(time));
    for (const { events } of machines) {
      expect(events[0]!.time).toBe(times[0]);
      expect(events.at(-1)!.time).toBeGreaterThanOrEqual(times.at(-1)!);
      expect(events.at(-1)!.time).toBeLessThan(times.at(-1)! + 1e6);
    }
  });
});

test("a machine of several CPUs has a track and a register for each, and ends every slice", async () => {
  const { machines } = await observed("cpus", jobOf("x86-pks", "batched", { cpus: 2 }));
  expect(tracksOf(machines[0]!, /^CPU \d$/)).toHaveLength(2);
  expect(tracksOf(machines[0]!, /^IA32_PKRS of CPU \d$/)).toHaveLength(2);
});
