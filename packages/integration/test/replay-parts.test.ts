import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { digestTables } from "@kpkeys/kernel";
import { embeddedTrace, replayFile } from "@kpkeys/workloads/node";
import type { ReplayFileOptions } from "@kpkeys/workloads/node";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened } from "./machines.js";

const roomy = { memory: [{ bytes: 1024 ** 3 }] };
const lines = gunzipSync(readFileSync(embeddedTrace.trace)).toString().split("\n");
const shared = (name: string): string => fileURLToPath(new URL(`../../../../shared/traces/${name}`, import.meta.url));

/** A file of the lines given. */
function file(...text: string[]): string {
  const path = join(mkdtempSync(join(tmpdir(), "kpkeys-")), "part.perf-script.txt");
  writeFileSync(path, text.map((line) => `${line}\n`).join(""));
  return path;
}

/** The result of a replay without its times, and the remaining tables. */
async function replay(arch: string, path: string, options: ReplayFileOptions = {}) {
  const booted = hardened(arch, {}, roomy);
  const { seconds, trace, ...rest } = await replayFile(booted, path, options);
  expect(seconds).toBeGreaterThan(0);
  const { events, processes, until, sample } = trace;
  return { events, processes, until, sample, ...rest, tables: digestTables(booted.memory, booted.scan()) };
}

describe.each(ARCHES)("a part of a trace on %s", (arch) => {
  it("is its first events and nothing after them, as if the file ended there", async () => {
    const cut = await replay(arch, file(...lines.slice(0, 1000)));
    expect(cut.events).toBe(1000);
    const damaged = "             gcc 21524 [001]   996.000000: syscalls:sys_exit_brk: 0xzz";
    const path = file(...lines.slice(0, 1000), damaged);
    await expect(replay(arch, path)).rejects.toMatchObject({ code: "ERR_TRACE_LINE" });
    expect(await replay(arch, path, { until: { events: 1000 } })).toEqual({ ...cut, until: { events: 1000 } });
    let events = 0;
    const stop = (): boolean => events === 1000;
    expect(await replay(arch, path, { before: () => events++, stop })).toEqual({ ...cut, stopped: true });
  });

  it("is what happened in the first seconds of the trace's own time, the last moment included", async () => {
    const times = lines.filter((line) => line !== "").map((line) => Number(/ (\d+\.\d+): /.exec(line)![1]));
    const seconds = Number((times[1500]! - times[0]!).toFixed(9));
    const within = times.findLastIndex((time) => time <= times[1500]!) + 1;
    const cut = await replay(arch, file(...lines.slice(0, within)));
    expect(await replay(arch, embeddedTrace.trace, { until: { seconds } })).toEqual({ ...cut, until: { seconds } });
  });

  it("is the whole when it is as long as the trace or longer", async () => {
    const whole = await replay(arch, embeddedTrace.trace);
    expect(whole.stopped).toBe(false);
    for (const until of [{ events: 4264 }, { events: 1e9 }, { seconds: 1e6 }]) {
      expect(await replay(arch, embeddedTrace.trace, { until })).toEqual({ ...whole, until });
    }
    const { sample, ...sampled } = await replay(arch, embeddedTrace.trace, { sample: { every: 1, seed: 3 } });
    expect({ ...sampled, sample: null }).toEqual(whole);
    expect(sample).toMatchObject({ events: 4264, taken: sample!.met });
  });

  it("compares with Linux the processes whose end it holds", async () => {
    const whole = await replay(arch, embeddedTrace.trace, { vmpte: embeddedTrace.vmpte });
    const part = await replay(arch, embeddedTrace.trace, { vmpte: embeddedTrace.vmpte, until: { events: 3000 } });
    expect(part.linux).toMatchObject({ differences: [], equal: part.linux!.processes });
    expect(part.linux!.processes).toBeLessThan(whole.linux!.processes);
  });
});

describe("a sample of programs", () => {
  const path = shared("lua-build.perf-script.txt.gz");
  const vmpte = shared("lua-build.vmpte.txt");

  it.skipIf(!existsSync(path))("holds each of its programs whole: Linux had as many page tables", async () => {
    for (const seed of [1, 2]) {
      const booted = hardened("x86-pks", {}, roomy);
      const result = await replayFile(booted, path, { vmpte, sample: { every: 6, seed } });
      const { met, taken } = result.trace.sample!;
      expect(met).toBe(116);
      expect(taken).toBeGreaterThan(6);
      expect(taken).toBeLessThan(40);
      expect(result.linux).toMatchObject({ differences: [], equal: result.linux!.processes });
      expect(result.linux!.processes).toBeGreaterThan(0);
      expect(result.unexplainedFaults).toBe(0);
    }
  });

  it("is complete for any choice of programs", async () => {
    const taken = new Set<number>();
    for (const seed of [0, 1, 2, 3, 4, 5]) {
      const sample = { every: 2, seed };
      const { vmpte } = embeddedTrace;
      const result = await replayFile(hardened("arm64-poe", {}, roomy), embeddedTrace.trace, { vmpte, sample });
      expect(result.linux).toMatchObject({ differences: [], equal: result.linux!.processes });
      taken.add(result.trace.sample!.taken);
    }
    expect(taken.size).toBeGreaterThan(1);
  });
});
