import { spawn } from "node:child_process";
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { beforeEnd } from "../ending.js";

/** How a command ended. */
export interface Ended {
  /** Its exit status; `null` when a signal ended it. */
  readonly exitStatus: number | null;
  /** The signal that ended it, else `null`. */
  readonly signal: NodeJS.Signals | null;
}

/**
 * Describes how a command ended.
 * @param ended - how it ended
 * @returns such as "exit status 1" or "signal SIGKILL"
 */
export function endOf({ exitStatus, signal }: Ended): string {
  return signal === null ? `exit status ${exitStatus ?? 1}` : `signal ${signal}`;
}

/**
 * Whether a program can be run.
 * @param program - a path, or a name on the PATH
 */
export function canRun(program: string): boolean {
  if (program.includes("/")) return isExecutable(program);
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.some((folder) => isExecutable(join(folder, program)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * Runs a command. The command handles Ctrl-C itself and writes to the stderr of this process.
 * @param command - the program and its arguments
 * @param stdout - the file descriptor of its stdout
 * @returns how it ended
 * @throws Error of Node.js when it cannot be started
 */
export async function runCommand([program, ...args]: readonly string[], stdout: number): Promise<Ended> {
  const ignore = (): void => undefined;
  process.on("SIGINT", ignore);
  const child = spawn(program!, args, { stdio: ["inherit", stdout, "inherit"] });
  const forget = beforeEnd(() => child.kill());
  try {
    return await new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (exitStatus, signal) => {
        resolve({ exitStatus, signal });
      });
    });
  } finally {
    forget();
    process.off("SIGINT", ignore);
  }
}
