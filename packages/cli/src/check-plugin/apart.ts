import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { KpkeysError, printable } from "@kpkeys/core";
import type { ErrorCode } from "@kpkeys/core";
import { beforeEnd } from "../ending.js";
import type { BudgetRequest } from "./budgets.js";
import { PLUGIN_CHILD } from "../package-files.js";
import type { PluginSource } from "../plugins/source.js";

/** What is done with packages in a process apart. */
export type PluginRequest = {
  /** What the packages are called in messages. */
  readonly where: string;
} & (
  | { readonly job: "judge"; readonly path: string; readonly others: readonly PluginSource[] }
  | { readonly job: "budget"; readonly budget: BudgetRequest }
);

/** What that process answers. */
export type PluginReply =
  | {
      /** JSON. */
      readonly result: string;
    }
  | {
      /** A KpkeysError. */
      readonly error: { readonly code: ErrorCode; readonly message: string };
    };

/** The heap of the process in MiB: some ten times what the kit needs. */
const HEAP = 1024;

/** The longest that a timer can wait. */
const LONGEST = 2 ** 31 - 1;

/**
 * Does something that runs the code of packages, in a separate process. The code may end that process, block it, spoil it or print:
 * what it prints goes to stderr.
 * @param request - what is done
 * @param seconds - the time limit
 * @returns the plain data of the result
 * @throws KpkeysError what the work throws; ERR_PLUGIN_TIMEOUT; ERR_PLUGIN_LOAD when the process ends without a result
 */
export async function runApart(request: PluginRequest, seconds: number): Promise<unknown> {
  process.stderr.write(
    `kpkeys: running the code of ${printable(request.where)} in a separate process, for at most ${seconds} s\n`,
  );
  const ticket = randomUUID();
  const child = fork(PLUGIN_CHILD, [JSON.stringify({ ticket, request })], {
    execArgv: [...process.execArgv, `--max-old-space-size=${HEAP}`],
    stdio: ["ignore", 2, 2, "ipc"],
    // A process group, so that what the code starts ends with it.
    detached: process.platform !== "win32",
  });
  const kill = (): void => {
    killGroup(child);
  };
  const forget = beforeEnd(kill);
  try {
    const reply = await replyOf(child, ticket, request.where, seconds);
    if ("result" in reply) return JSON.parse(reply.result);
    throw new KpkeysError(reply.error.code, reply.error.message);
  } finally {
    kill();
    forget();
  }
}

function replyOf(child: ChildProcess, ticket: string, where: string, seconds: number): Promise<PluginReply> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => {
        const expected = "code that ends, or a higher --timeout";
        reject(new KpkeysError("ERR_PLUGIN_TIMEOUT", `its code ran for ${seconds} s`, { where, expected }));
      },
      Math.min(seconds * 1000, LONGEST),
    );
    const giveUp = (): void => {
      clearTimeout(timer);
      const how = child.signalCode === null ? `status ${child.exitCode ?? "unknown"}` : `signal ${child.signalCode}`;
      const expected = "code that leaves the process alone";
      reject(new KpkeysError("ERR_PLUGIN_LOAD", `its code ended the process (${how})`, { where, expected }));
    };
    // The code may send messages too: only those with the ticket are ours.
    child.on("message", (message: { ticket?: unknown; reply?: PluginReply } | null) => {
      if (message?.ticket !== ticket || message.reply === undefined) return;
      clearTimeout(timer);
      resolve(message.reply);
    });
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(new KpkeysError("ERR_PLUGIN_LOAD", `the process cannot be started (${cause.message})`, { where, cause }));
    });
    // Messages that were sent before the end come before the disconnection, and may come after the exit.
    let isOver = false;
    const over = (): void => {
      if (isOver) giveUp();
      isOver = true;
    };
    child.once("exit", over);
    child.once("disconnect", over);
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === "win32" ? pid : -pid, "SIGKILL");
  } catch {
    // It has ended, and all that it started with it.
  }
}
