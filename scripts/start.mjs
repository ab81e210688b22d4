// The main job: `npm start` is `kpkeys run` with the arguments after `npm start --`.
import { COMMAND, ensure, node } from "./ensure.mjs";

await ensure("command");
process.exitCode = node([COMMAND, "run", ...process.argv.slice(2)]);
