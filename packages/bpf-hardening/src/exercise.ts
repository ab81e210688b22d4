import { KpkeysError, toWords } from "@kpkeys/core";
import { PhysicalMemory } from "@kpkeys/core/contracts";
import type { ExercisedMachine } from "@kpkeys/core/contracts";
import { program } from "./boot-programs.js";
import { BpfJit } from "./jit.js";
import type { BpfImage } from "./jit.js";

/**
 * Loads, patches, executes and unloads programs. Two stay loaded: a short one, and one that is longer than a page.
 * @param machine - a booted machine with the feature
 * @throws KpkeysError ERR_API_MISUSE if an operation fails
 */
export function exerciseJit(machine: ExercisedMachine): void {
  const jit = machine.get(BpfJit);
  const long = load(jit, 2 ** machine.get(PhysicalMemory).pageShift + 1);
  const removed = load(jit, 100);
  load(jit, 100);
  requireSuccess("patch", jit.patch(long, 0, toWords(0x0706_0504_0302_0100n), toWords(0n)));
  requireSuccess("run", jit.run(long));
  requireSuccess("unload", jit.unload(removed));
}

function load(jit: BpfJit, length: number): BpfImage {
  const image = jit.load(program(length));
  if (typeof image !== "number") return image;
  throw failed("load", image);
}

function requireSuccess(operation: string, errno: number): void {
  if (errno !== 0) throw failed(operation, errno);
}

function failed(operation: string, errno: number): KpkeysError {
  return new KpkeysError("ERR_API_MISUSE", `the BPF JIT cannot ${operation} a program: errno ${errno}`, {
    where: "exercise of bpf",
    expected: "a machine with memory for three programs",
  });
}
