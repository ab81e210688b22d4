import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { temporaryFolder, tied } from "./children.js";

const execute = promisify(execFile);

/** V8 compiles in the thread that runs: what its helpers do differs from time to time. */
const NODE_FLAGS = ["--single-threaded"];

/** Counts instructions, which do not depend on what else the machine does. */
export interface InstructionCounter {
  /** What counts. */
  readonly name: "perf" | "valgrind";
  /**
   * Runs Node.js from its start to its end.
   * @param argv - its arguments
   * @returns how many instructions it executed in user mode
   */
  count(argv: readonly string[]): Promise<number>;
}

const perf: InstructionCounter = {
  name: "perf",
  async count(argv) {
    const folder = temporaryFolder();
    const file = join(folder.path, "counts");
    try {
      const running = execute("perf", [
        "stat",
        "-x,",
        "-e",
        "instructions:u",
        "-o",
        file,
        process.execPath,
        ...NODE_FLAGS,
        ...argv,
      ]);
      tied(running.child);
      await running;
      return numberIn(/^(\d+),[^,]*,instructions/m, await readFile(file, "utf8"), "perf stat");
    } finally {
      folder.remove();
    }
  },
};

const valgrind: InstructionCounter = {
  name: "valgrind",
  async count(argv) {
    // Code that is made while it runs must be looked at again.
    const flags = ["--tool=callgrind", "--callgrind-out-file=/dev/null", "--smc-check=all-non-file"];
    const running = execute("valgrind", [...flags, process.execPath, ...NODE_FLAGS, ...argv]);
    tied(running.child);
    const { stderr } = await running;
    return numberIn(/Collected : (\d+)/, stderr, "callgrind");
  },
};

function numberIn(pattern: RegExp, text: string, source: string): number {
  const number = Number(pattern.exec(text)?.[1] ?? NaN);
  if (!(number > 0)) throw new Error(`${source} tells no number of instructions: ${text.trim()}`);
  return number;
}

/**
 * Finds something that counts: perf where the machine lets it, else valgrind, which takes some forty times as long.
 * @returns it, or `undefined` where there is neither
 */
export async function findInstructionCounter(): Promise<InstructionCounter | undefined> {
  for (const counter of [perf, valgrind]) {
    try {
      await counter.count(["-e", ""]);
      return counter;
    } catch {
      // Not installed, or not allowed to: the next one.
    }
  }
  return undefined;
}
