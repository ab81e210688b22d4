import { createContainer, KpkeysError, provide, resolve } from "@kpkeys/core";
import { ArchTools, CpuFactory, PhysicalMemory, toPfn } from "@kpkeys/core/contracts";
import type { Cpu, Plugin, Vector, WalkStep } from "@kpkeys/core/contracts";
import { createPhysicalMemory, highWord, lowWord } from "@kpkeys/core/machine";
import { VectorRunner, vectorArches } from "./run.js";
import { judgeVector } from "./verdict.js";
import type { VectorVerdict } from "./verdict.js";

/** Vectors use memory below 2304 MiB, on a CPU with 40 physical address bits. A vector fills at most five pages. */
const BANK = { firstPfn: toPfn(0), pages: 2304 * 256 };
const RESERVED_PAGES = 16;
const OPTIONS = { physicalAddressBits: 40 };

/** Runs the vectors of one architecture. */
interface Bench {
  readonly runner: VectorRunner;
  readonly memory: PhysicalMemory;
  /** Created on first use: a process with a single CPU runs faster. */
  readonly cpu: () => Cpu;
}

/** Compares architectural vectors with the model, each independently. The field `arch` selects the architecture. */
export class Judge {
  private readonly benches = new Map<unknown, Bench>();

  /** @param arches - architectures with vectors; each gets its own CPU and memory */
  constructor(arches: readonly Plugin[]) {
    for (const plugin of arches) {
      const { bench, names } = createBench(plugin);
      for (const name of names) this.benches.set(name, bench);
    }
  }

  /**
   * Runs a vector and compares the results.
   * @param vector - a parsed line
   * @throws KpkeysError ERR_VECTOR_LINE for a line of another architecture, or an invalid line
   */
  judge(vector: Vector): VectorVerdict {
    const { runner, memory, cpu } = this.benchOf(vector);
    return judgeVector(vector, runner.run(vector, cpu(), memory));
  }

  /**
   * Returns the walk to the address of the vector that was judged last, with its tables after the access.
   * @param vector - that vector
   */
  walk(vector: Vector): readonly WalkStep[] {
    const va = vector["va"] as string;
    const { mmu } = this.benchOf(vector).cpu();
    const steps: WalkStep[] = [];
    mmu.walk(highWord(va), lowWord(va), (step) => steps.push(step));
    return steps;
  }

  private benchOf(vector: Vector): Bench {
    const bench = this.benches.get(vector["arch"]);
    if (bench !== undefined) return bench;
    const arch = JSON.stringify(vector["arch"]) as string | undefined;
    const what = arch === undefined ? "field 'arch' is missing" : `the line is of architecture ${arch}`;
    throw new KpkeysError("ERR_VECTOR_LINE", what, { expected: [...this.benches.keys()].join(" or ") });
  }
}

function createBench(plugin: Plugin): { readonly bench: Bench; readonly names: readonly string[] } {
  const container = createContainer();
  const memory = createPhysicalMemory([BANK], { reservePages: RESERVED_PAGES });
  provide(container, PhysicalMemory, memory);
  plugin.setup(container, OPTIONS);
  const tools = resolve(container, ArchTools);
  let cpu: Cpu | undefined;
  return {
    bench: {
      runner: new VectorRunner(tools),
      memory,
      cpu: () => (cpu ??= resolve(container, CpuFactory).create(0)),
    },
    names: vectorArches(tools),
  };
}
