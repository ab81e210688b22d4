import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The command, which runs the built package. */
export const BIN: string = fileURLToPath(new URL("../../bin/kpkeys.js", import.meta.url));
/** The folder in which the command runs; reports have paths relative to it. */
const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const BUILT = fileURLToPath(new URL("../../dist/program.js", import.meta.url));

/** The result of a command. */
export interface Outcome {
  /** Its exit status. */
  readonly status: number | null;
  /** Its stdout. */
  readonly stdout: string;
  /** Its stderr. */
  readonly stderr: string;
}

/** Runs the built command. Neither stdout nor stderr is a terminal. */
export function kpkeys(...args: string[]): Outcome {
  return kpkeysWith({}, args);
}

/** Runs it with a text on stdin. */
export function kpkeysReading(input: string, ...args: string[]): Outcome {
  return kpkeysWith({}, args, input);
}

/** Runs it in another folder. */
export function kpkeysIn(cwd: string, ...args: string[]): Outcome {
  return kpkeysWith({}, args, undefined, cwd);
}

/** Runs it with additional environment variables. */
export function kpkeysWith(
  variables: Readonly<Record<string, string>>,
  args: readonly string[],
  input?: string,
  cwd: string = ROOT,
): Outcome {
  if (!existsSync(BUILT))
    throw new Error(`${BUILT} is missing: these tests run the built command; run \`npm run build\` first`);
  const options = {
    cwd,
    encoding: "utf8",
    maxBuffer: 2 ** 26,
    env: { ...process.env, ...variables },
    input,
  } as const;
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [BIN, ...args], options);
  if (error !== undefined) throw error;
  return { status, stdout, stderr };
}

/** The status and the JSON document of a command. It must print nothing else. */
export function jsonOf(...args: string[]): { readonly status: number | null; readonly document: unknown } {
  const { status, stdout, stderr } = kpkeys(...args, "--json");
  if (stderr !== "") throw new Error(stderr);
  return { status, document: JSON.parse(stdout) };
}
