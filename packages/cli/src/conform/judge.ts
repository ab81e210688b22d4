import { createContainer, KpkeysError, provide, resolve } from "@kpkeys/core";
import { ArchTools, CpuFactory, PhysicalMemory } from "@kpkeys/core/contracts";
import type { Cpu, Plugin, WalkStep } from "@kpkeys/core/contracts";
import { createPhysicalMemory, highWord, judgeVector, lowWord } from "@kpkeys/core/machine";
import type { VectorVerdict } from "@kpkeys/core/machine";
import { ARCHES } from "../plugins.js";
import type { ArchId } from "../plugins.js";
import type { VectorLine } from "./vector-json.js";

/** What vectors use: memory below 2304 MiB, on a CPU with 40 physical address bits. A vector fills five pages at most. */
const BANK = { firstPfn: 0, pages: 2304 * 256 };
const RESERVED_PAGES = 16;
const OPTIONS = { physicalAddressBits: 40 };

/** Judges architectural vectors, each on its own. */
export interface Judge {
  /**
   * Carries a vector out and compares.
   * @param vector - a parsed line
   * @throws KpkeysError ERR_VECTOR_LINE for a line of another architecture, and for whatever else is wrong with it
   */
  judge(vector: VectorLine): VectorVerdict;
  /**
   * The walk to the address of the vector that was judged last, through its tables as they are after the access.
   * @param vector - that vector
   */
  walk(vector: VectorLine): readonly WalkStep[];
}

/** Carries out the vectors of one architecture. */
interface Bench {
  readonly tools: ArchTools;
  readonly memory: PhysicalMemory;
  /** Made when it is first wanted: the code of a CPU is fastest while there is one. */
  readonly cpu: () => Cpu;
}

/**
 * @param arches - architectures; a line belongs to the one that names its field `arch`
 * @returns a judge with a CPU and a memory for each
 */
export async function createJudge(arches: readonly ArchId[]): Promise<Judge> {
  const benches = new Map<unknown, Bench>();
  for (const plugin of await Promise.all(arches.map((id) => ARCHES[id]()))) {
    const bench = createBench(plugin);
    for (const name of bench.tools.vectorArches) benches.set(name, bench);
  }

  function benchOf(vector: VectorLine): Bench {
    const bench = benches.get(vector["arch"]);
    if (bench !== undefined) return bench;
    const arch = JSON.stringify(vector["arch"]) as string | undefined;
    const what = arch === undefined ? "field 'arch' is missing" : `the line is of architecture ${arch}`;
    throw new KpkeysError("ERR_VECTOR_LINE", what, { expected: [...benches.keys()].join(" or ") });
  }

  return {
    judge(vector) {
      const { tools, memory, cpu } = benchOf(vector);
      return judgeVector(vector, tools.runVector(vector, cpu(), memory));
    },
    walk(vector) {
      const va = vector["va"] as string;
      const steps: WalkStep[] = [];
      benchOf(vector)
        .cpu()
        .mmu.walk(highWord(va), lowWord(va), (step) => steps.push(step));
      return steps;
    },
  };
}

function createBench(plugin: Plugin): Bench {
  const container = createContainer();
  const memory = createPhysicalMemory([BANK], { reservePages: RESERVED_PAGES });
  provide(container, PhysicalMemory, memory);
  plugin.setup(container, OPTIONS);
  let cpu: Cpu | undefined;
  return {
    tools: resolve(container, ArchTools),
    memory,
    cpu: () => (cpu ??= resolve(container, CpuFactory).create(0)),
  };
}
