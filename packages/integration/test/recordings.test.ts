import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { replayFile } from "@kpkeys/workloads/node";
import { describe, expect, it } from "vitest";
import { ARCHES, machine } from "./machines.js";

const folder = fileURLToPath(new URL("../recordings/", import.meta.url));
const names = readdirSync(folder).flatMap((file) => /^(.*)\.vmpte\.txt$/.exec(file)?.[1] ?? []);
const roomy = { memory: [{ bytes: 1024 ** 3 }] };

describe.each(ARCHES)("on %s, a replay has as many page tables of each process as Linux had", (arch) => {
  it.each(names)("in the recording %s", async (name) => {
    const { linux } = await replayFile(machine(arch, roomy), `${folder}${name}.perf-script.txt.gz`, {
      vmpte: `${folder}${name}.vmpte.txt`,
    });
    expect(linux!.differences).toEqual([]);
    expect(linux!.processes).toBeGreaterThan(1);
  });
});
