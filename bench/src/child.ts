// The process of one figure: sets it up, reports that it is ready, and measures when it is asked. It ends with its parent, because
// the channel between the two is all that keeps it running.
import { figureNamed } from "./figures/index.js";
import type { ArchId } from "./machine.js";

/** Sends to the parent. A parent that has ended is no error. */
function send(message: unknown): void {
  process.send!(message, undefined, undefined, () => undefined);
}

const [name, arch] = process.argv.slice(2) as [string, ArchId];
const measure = await figureNamed(name)!.prepare(arch);
process.on("message", () => {
  void Promise.resolve(measure()).then(send);
});
send("ready");
