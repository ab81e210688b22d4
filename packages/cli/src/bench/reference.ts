import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { temporaryFolder, tied } from "./children.js";

const execute = promisify(execFile);
const SOURCE = fileURLToPath(new URL("../../bench/reference.c", import.meta.url));

/** The C reference, compiled. */
export interface Reference {
  /** Runs it. @returns nanoseconds an operation by the figure's name */
  run(): Promise<ReadonlyMap<string, number>>;
  /** Removes it. */
  remove(): void;
}

/**
 * Compiles the C reference with `cc -O2`.
 * @returns it, or why it cannot be had
 */
export async function compileReference(): Promise<Reference | { readonly missing: string }> {
  const folder = temporaryFolder();
  const program = join(folder.path, "reference");
  try {
    // The compiler's own temporary files go with the folder, should a signal end the two.
    const env = { ...process.env, TMPDIR: folder.path };
    const compiling = execute("cc", ["-O2", "-o", program, SOURCE], { env });
    tied(compiling.child);
    await compiling;
  } catch (error) {
    folder.remove();
    return { missing: error instanceof Error ? error.message.split("\n")[0]! : String(error) };
  }
  return {
    async run() {
      const running = execute(program);
      tied(running.child);
      const { stdout } = await running;
      const lines = stdout.trim().split("\n");
      return new Map(
        lines.map((line) => {
          const { name, nsPerOperation } = JSON.parse(line) as { name: string; nsPerOperation: number };
          return [name, nsPerOperation] as const;
        }),
      );
    },
    remove() {
      folder.remove();
    },
  };
}
