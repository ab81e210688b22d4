import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { KpkeysError, printable } from "@kpkeys/core";
import type { ErrorCode } from "@kpkeys/core";
import { beforeEnd } from "../ending.js";
import type { BudgetRequest } from "./budgets.js";
import { PLUGIN_CHILD } from "../package-files.js";
import type { PluginSource } from "../plugins/source.js";

/** Work that runs the code of packages in a separate process. */
export type PluginRequest = {
  /** The packages as messages name them. */
  readonly where: string;
} & (
  | { readonly job: "judge"; readonly path: string; readonly others: readonly PluginSource[] }
  | { readonly job: "budget"; readonly budget: BudgetRequest }
);

/** The reply of that process. */
export type PluginReply =
  | {
      /** The result as JSON. */
      readonly result: string;
    }
  | {
      /** The code and message of a KpkeysError. */
      readonly error: { readonly code: ErrorCode; readonly message: string };
    };

/** The heap limit of the process in MiB: about ten times what the conformance kit needs. */
const HEAP = 1024;

/** The longest delay of setTimeout() in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/**
 * Runs work in a separate process, because it runs the code of packages, which may end the process, block it or change built-in objects.
 * Its stdout goes to stderr.
 * @param request - the work
 * @param seconds - the time limit, 1 or more
 * @returns the result as plain data
 * @throws KpkeysError of the work; ERR_PLUGIN_TIMEOUT; ERR_PLUGIN_LOAD when the process ends without a result
 */
export async function runApart(request: PluginRequest, seconds: number): Promise<unknown> {
  process.stderr.write(
    `kpkeys: running the code of ${printable(request.where)} in a separate process, for at most ${seconds} s\n`,
  );
  const ticket = randomUUID();
  const child = fork(PLUGIN_CHILD, [JSON.stringify({ ticket, request })], {
    execArgv: [...process.execArgv, `--max-old-space-size=${HEAP}`],
    stdio: ["ignore", 2, 2, "ipc"],
    // A process group, so that processes that the code starts are killed too.
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
    const endedEarly = (): void => {
      clearTimeout(timer);
      const how = child.signalCode === null ? `status ${child.exitCode ?? "unknown"}` : `signal ${child.signalCode}`;
      const expected = "code that does not end the process";
      reject(new KpkeysError("ERR_PLUGIN_LOAD", `its code ended the process (${how})`, { where, expected }));
    };
    // The code of the package may send messages too. Only a reply has the ticket.
    child.on("message", (message: { ticket?: unknown; reply?: PluginReply } | null) => {
      if (message?.ticket !== ticket || message.reply === undefined) return;
      clearTimeout(timer);
      resolve(message.reply);
    });
    child.on("error", (cause) => {
      clearTimeout(timer);
      reject(new KpkeysError("ERR_PLUGIN_LOAD", `the process cannot be started (${cause.message})`, { where, cause }));
    });
    // Messages that the process sent arrive before "disconnect" but may arrive after "exit", so wait for both.
    let hasEnded = false;
    const onEnd = (): void => {
      if (hasEnded) endedEarly();
      hasEnded = true;
    };
    child.once("exit", onEnd);
    child.once("disconnect", onEnd);
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === "win32" ? pid : -pid, "SIGKILL");
  } catch {
    // The process group has already ended.
  }
}
