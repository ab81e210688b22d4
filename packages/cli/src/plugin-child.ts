import { KpkeysError } from "@kpkeys/core";
import type { ErrorCode } from "@kpkeys/core";
import type { PluginReply, PluginRequest } from "./check-plugin/apart.js";
import { budgetsOf } from "./check-plugin/budgets.js";
import { watchIntrinsics } from "./check-plugin/intrinsics.js";
import { judgePlugins } from "./check-plugin/judge.js";
import { shareCopies } from "./plugins/shared-copies.js";
import { reasonOf } from "./check-plugin/reason.js";

// The process in which the code of a package runs. The code of the package cannot use the channel to the parent: process.send is removed.
const send = process.send!.bind(process);
const { ticket, request } = JSON.parse(process.argv.pop()!) as { ticket: string; request: PluginRequest };
Reflect.deleteProperty(process, "send");
process.on("disconnect", () => process.exit());
process.channel?.unref();

const replacedIntrinsic = watchIntrinsics();
let isDone = false;
/** The first error outside of a call: of a timer, or of a promise without a handler. */
let stray: { readonly reason: string } | undefined;

process.on("uncaughtException", (error) => {
  stray ??= { reason: reasonOf(error) };
});
process.on("beforeExit", () => {
  fail("ERR_PLUGIN_LOAD", "its code awaits a promise that never settles");
});

async function work(): Promise<void> {
  try {
    await shareCopies();
    const result =
      request.job === "judge"
        ? await judgePlugins(request.path, request.others)
        : { arches: await budgetsOf(request.budget) };
    const text = JSON.stringify(result);
    // Let due timers and rejected promises run first.
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
  const { message } = new KpkeysError(code, what, { where: request.where, expected: "code that runs without errors" });
  finish({ error: { code, message } });
}

/** Sends the only reply. The parent kills this process after it has received the reply. */
function finish(reply: PluginReply): void {
  if (isDone) return;
  isDone = true;
  const replaced = replacedIntrinsic();
  const message = `${request.where}: its code replaces ${replaced ?? ""}; expected code that does not change built-in objects`;
  send({ ticket, reply: replaced === undefined ? reply : { error: { code: "ERR_PLUGIN_INVALID", message } } });
}

void work();
