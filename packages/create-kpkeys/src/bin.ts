import { fileURLToPath } from "node:url";
import { fileReason, KpkeysError } from "@kpkeys/core";
import { Argument, Command, Option } from "commander";
import { createPackage, KINDS } from "./create.js";
import type { Kind } from "./create.js";

const TEMPLATES = fileURLToPath(new URL("../templates/", import.meta.url));

/** Bad usage, as the `kpkeys` command has it. */
const USAGE = 2;

function tell(code: string, message: string): void {
  process.stderr.write(`create-kpkeys: ${code}: ${message.trimEnd().replaceAll(/\s*\n\s*/g, " ")}\n`);
}

function create(folder: string, { kind }: { kind: Kind }): void {
  try {
    const files = createPackage(folder, kind, TEMPLATES);
    console.log(`${folder}: ${files.join(", ")}\n\nNow: cd ${folder} && npm install && npm test`);
  } catch (error) {
    if (!(error instanceof KpkeysError)) throw error;
    tell(error.code, error.message);
    process.exitCode = USAGE;
  }
}

// A full disk; a reader that is gone needs no message.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE")
    tell("ERR_OUTPUT", `stdout: ${fileReason(error)}; expected a place where the report can be written`);
  process.exit(error.code === "EPIPE" ? 0 : USAGE);
});
process.stderr.on("error", () => undefined);

new Command("create-kpkeys")
  .description("Makes a package for the kpkeys laboratory that passes its own tests at once.")
  .addArgument(new Argument("<folder>", "where to make it; its last part is the package's name"))
  .addOption(new Option("--kind <kind>", "what it is to be").choices(Object.keys(KINDS)).default("feature"))
  .configureOutput({
    outputError: (text) => {
      tell("ERR_USAGE", `${text.replace(/^error: /, "").trimEnd()}; npm create kpkeys -- --help tells what there is`);
    },
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : USAGE))
  .action(create)
  .parse();
