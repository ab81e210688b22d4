import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { coverageOf, digestTables } from "@kpkeys/kernel";
import { attack } from "@kpkeys/kunit-suite";
import { embeddedTrace, replayFile } from "@kpkeys/workloads/node";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened, machine } from "./machines.js";

const GIB = 1024 ** 3;
const roomy = { memory: [{ bytes: GIB }] };

/** Writes a trace of the lines given, as perf would print them. */
function trace(...lines: string[]): string {
  const path = join(mkdtempSync(join(tmpdir(), "kpkeys-")), "made.perf-script.txt");
  const text = lines.map((line, i) => `  prog 100 [000] ${(i / 1000 + 1).toFixed(6)}: ${line}\n`);
  writeFileSync(path, text.join(""));
  return path;
}

const mmap = (length: number, at: number): string[] => [
  `syscalls:sys_enter_mmap: addr: 0x00000000, len: 0x${length.toString(16)}, prot: 0x00000003, flags: 0x00000022, fd: 0xffffffff, off: 0x00000000`,
  `syscalls:sys_exit_mmap: 0x${at.toString(16)}`,
];
const fault = (at: number, code = 6): string =>
  `exceptions:page_fault_user: address=0x${at.toString(16)} ip=0x1000 error_code=0x${code.toString(16)}`;

describe.each(ARCHES)("a replay on %s", (arch) => {
  it("gives each process of the embedded trace as many page tables as Linux did", async () => {
    const { trace, linux, unexplainedFaults } = await replayFile(hardened(arch, {}, roomy), embeddedTrace.trace, {
      vmpte: embeddedTrace.vmpte,
    });
    expect(trace).toMatchObject({ name: "gcc-hello", events: 4264, processes: 5, unused: {} });
    expect(linux).toEqual({ processes: 5, equal: 5, differences: [] });
    expect(unexplainedFaults).toBe(0);
  });

  it("is the same whether Linux's account is compared or not", async () => {
    const digests = [];
    for (const options of [{}, { vmpte: embeddedTrace.vmpte }]) {
      const booted = hardened(arch, {}, roomy);
      const { counters } = await replayFile(booted, embeddedTrace.trace, options);
      digests.push([digestTables(booted.memory, booted.scan()), counters]);
    }
    expect(digests[0]).toEqual(digests[1]);
  });

  it("ends in the same tables per setter and batched, with every table page closed", async () => {
    const ends = [];
    for (const batching of [false, true]) {
      const booted = hardened(arch, { batching }, roomy);
      const { counters } = await replayFile(booted, embeddedTrace.trace);
      const tables = booted.scan();
      expect(coverageOf(booted, tables).gaps).toEqual([]);
      ends.push({ digest: digestTables(booted.memory, tables), counters });
    }
    const [naive, batched] = ends;
    expect(batched!.digest).toBe(naive!.digest);
    expect(batched!.counters.tableWrites).toBe(naive!.counters.tableWrites);
    expect(batched!.counters.registerWrites).toBeLessThan(naive!.counters.registerWrites);
    expect(naive!.counters.registerWrites).toBe(2 * naive!.counters.tableWrites);
  });

  it("can be audited at the peaks of its table pages without an effect on its counters", async () => {
    const plain = await replayFile(hardened(arch, {}, roomy), embeddedTrace.trace);
    const booted = hardened(arch, {}, roomy);
    const seen: number[] = [];
    const looked = await replayFile(booted, embeddedTrace.trace, {
      onPeak() {
        const tables = booted.scan();
        expect(coverageOf(booted, tables).gaps).toEqual([]);
        expect(attack(booted, tables).gaps).toEqual([]);
        seen.push(coverageOf(booted, tables).bySource.user.pages);
      },
    });
    expect(seen.length).toBeGreaterThan(0);
    expect(Math.min(...seen)).toBeGreaterThan(10);
    expect(looked.counters).toEqual(plain.counters);
  });

  it("counts a fault on a page that the model has mapped, and one that nothing explains", async () => {
    const at = 0x7f0000000000;
    const { alreadyMapped, unexplainedFaults, inferredMappings } = await replayFile(
      machine(arch),
      trace(...mmap(0x2000, at), fault(at), fault(at), fault(at + 0x2000), fault(at + 0x1000, 0x14)),
    );
    expect({ alreadyMapped, unexplainedFaults, inferredMappings }).toEqual({
      alreadyMapped: 1,
      unexplainedFaults: 1,
      inferredMappings: 1,
    });
  });

  it("names the trace's line when the machine's memory is used up", async () => {
    const at = 0x7f0000000000;
    const faults = Array.from({ length: 40000 }, (_, i) => fault(at + i * 4096));
    const path = trace(...mmap(40000 * 4096, at), ...faults);
    await expect(replayFile(machine(arch), path)).rejects.toMatchObject({
      code: "ERR_OUT_OF_MEMORY",
      where: expect.stringMatching(/made\.perf-script\.txt:\d+/) as string,
    });
  });
});
