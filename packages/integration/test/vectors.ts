import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { createContainer, provide, resolve } from "@kpkeys/core";
import { ArchTools, CpuFactory, PhysicalMemory, toPfn } from "@kpkeys/core/contracts";
import type { Cpu, Plugin, Vector } from "@kpkeys/core/contracts";
import { createPhysicalMemory } from "@kpkeys/core/machine";
import { VectorRunner } from "@kpkeys/explain";
import type { VectorOutcome } from "@kpkeys/explain";

const SHARED = fileURLToPath(new URL("../../../../shared/vectors/", import.meta.url));

function read(path: string): Vector[] {
  const lines = gunzipSync(readFileSync(path)).toString().trim().split("\n");
  return lines.map((line) => JSON.parse(line) as Vector);
}

/** Some vectors of every kind. @param arch - the architecture that they are of */
export function sampleOf(arch: string): Vector[] {
  return read(fileURLToPath(new URL(`../../arch-${arch}/testdata/vectors.jsonl.gz`, import.meta.url)));
}

/** All vectors of a file of the reference material; `undefined` where that is not there. */
export function sharedVectors(name: string): Vector[] | undefined {
  return existsSync(SHARED + name) ? read(SHARED + name) : undefined;
}

/** Carries out vectors of an architecture on one CPU: with memory below 2304 MiB and 40 physical address bits. */
export function vectorMachine(arch: Plugin): { readonly cpu: Cpu; readonly run: (vector: Vector) => VectorOutcome } {
  const container = createContainer();
  const memory = createPhysicalMemory([{ firstPfn: toPfn(0), pages: 2304 * 256 }]);
  provide(container, PhysicalMemory, memory);
  arch.setup(container, { physicalAddressBits: 40 });
  const cpu = resolve(container, CpuFactory).create(0);
  const runner = new VectorRunner(resolve(container, ArchTools));
  return { cpu, run: (vector) => runner.run(vector, cpu, memory) };
}
