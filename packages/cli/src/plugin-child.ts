import { KpkeysError } from "@kpkeys/core";
import type { ErrorCode } from "@kpkeys/core";
import type { PluginReply, PluginRequest } from "./check-plugin/apart.js";
import { budgetsOf } from "./check-plugin/budgets.js";
import { watchIntrinsics } from "./check-plugin/intrinsics.js";
import { judgePlugins } from "./check-plugin/judge.js";
import { shareCopies } from "./plugins/shared-copies.js";
import { reasonOf } from "./check-plugin/reason.js";

// The process in which the code of a package runs. Its results go to the parent over the channel that it keeps for itself here.
const send = process.send!.bind(process);
const { ticket, request } = JSON.parse(process.argv.pop()!) as { ticket: string; request: PluginRequest };
Reflect.deleteProperty(process, "send");
process.on("disconnect", () => process.exit());
process.channel?.unref();

const replacedIntrinsic = watchIntrinsics();
let isDone = false;
/** The first error that no call of ours could catch: of a timer, of a promise without a handler. */
let stray: { readonly reason: string } | undefined;

process.on("uncaughtException", (error) => {
  stray ??= { reason: reasonOf(error) };
});
process.on("beforeExit", () => {
  fail("ERR_PLUGIN_LOAD", "its code waits for something that cannot come any more");
});

async function work(): Promise<void> {
  try {
    await shareCopies();
    const result =
      request.job === "judge"
        ? await judgePlugins(request.path, request.others)
        : { arches: await budgetsOf(request.budget) };
    const text = JSON.stringify(result);
    // Timers that are due and promises that were rejected meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 0));
    await new Promise((resolve) => setImmediate(resolve));
    if (stray !== undefined) fail("ERR_PLUGIN_INVALID", `its code fails outside of any call: ${stray.reason}`);
    else finish({ result: text });
  } catch (error) {
    if (error instanceof KpkeysError) finish({ error: { code: error.code, message: error.message } });
    else fail("ERR_PLUGIN_INVALID", `its code throws: ${reasonOf(error)}`);
  }
}

function fail(code: ErrorCode, what: string): void {
  const { message } = new KpkeysError(code, what, { where: request.where, expected: "code that can be judged" });
  finish({ error: { code, message } });
}

/** Answers once: the parent ends this process when it has the answer. */
function finish(reply: PluginReply): void {
  if (isDone) return;
  isDone = true;
  const replaced = replacedIntrinsic();
  const message = `${request.where}: its code replaces ${replaced ?? ""}; expected code that leaves the language alone`;
  send({ ticket, reply: replaced === undefined ? reply : { error: { code: "ERR_PLUGIN_INVALID", message } } });
}

void work();
