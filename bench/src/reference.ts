import { execFile, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const SOURCE = fileURLToPath(new URL("../reference.c", import.meta.url));
/** The compiled reference, in the output folder of the build. */
const PROGRAM = fileURLToPath(new URL("reference", import.meta.url));

/** The C reference, running. */
export interface Reference {
  /**
   * Measures a figure in C.
   * @param name - the figure's name
   * @returns nanoseconds per operation; `null` if the C reference has no such figure
   */
  measure(name: string): Promise<number | null>;
  /** Ends it. */
  stop(): void;
}

/**
 * Compiles the C reference with `cc -O2` and starts it.
 * @returns the running reference, or the reason why it is missing
 */
export async function startReference(): Promise<Reference | { readonly missing: string }> {
  try {
    await promisify(execFile)("cc", ["-O2", "-o", PROGRAM, SOURCE]);
  } catch (error) {
    return { missing: `cannot compile the C reference: ${(error as Error).message.split("\n")[0]!}` };
  }
  // It ends at the end of its input, so it ends with this process.
  const child = spawn(PROGRAM, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    async measure(name) {
      child.stdin.write(`${name}\n`);
      const line = await lines.next();
      if (line.done === true) throw new Error(`the C reference ended before it measured ${name}`);
      return JSON.parse(line.value) as number | null;
    },
    stop() {
      child.stdin.end();
    },
  };
}
