import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const execute = promisify(execFile);
const SOURCE = fileURLToPath(new URL("../../bench/reference.c", import.meta.url));

/** The C reference, compiled. */
export interface Reference {
  /** Runs it. @returns nanoseconds an operation by the figure's name */
  run(): Promise<ReadonlyMap<string, number>>;
  /** Removes it. */
  remove(): Promise<void>;
}

/**
 * Compiles the C reference with `cc -O2`.
 * @returns it, or why it cannot be had
 */
export async function compileReference(): Promise<Reference | { readonly missing: string }> {
  const folder = await mkdtemp(join(tmpdir(), "kpkeys-bench-"));
  const remove = (): Promise<void> => rm(folder, { recursive: true });
  const program = join(folder, "reference");
  try {
    await execute("cc", ["-O2", "-o", program, SOURCE]);
  } catch (error) {
    await remove();
    return { missing: error instanceof Error ? error.message.split("\n")[0]! : String(error) };
  }
  return {
    async run() {
      const { stdout } = await execute(program);
      const lines = stdout.trim().split("\n");
      return new Map(
        lines.map((line) => {
          const { name, nsPerOperation } = JSON.parse(line) as { name: string; nsPerOperation: number };
          return [name, nsPerOperation] as const;
        }),
      );
    },
    remove,
  };
}
