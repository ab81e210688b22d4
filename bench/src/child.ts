// The process of one figure: prepares it, sends "ready", and measures once for each message. It ends with its parent, because only the
// channel to the parent keeps it alive.
import { figureNamed } from "./figures/index.js";
import type { ArchId } from "./machine.js";

/** Sends to the parent. It is not an error if the parent has ended. */
function send(message: unknown): void {
  process.send!(message, undefined, undefined, () => undefined);
}

const [name, arch] = process.argv.slice(2) as [string, ArchId];
const measure = await figureNamed(name)!.prepare(arch);
process.on("message", () => {
  void Promise.resolve(measure()).then(send);
});
send("ready");
