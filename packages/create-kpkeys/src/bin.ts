import { fileURLToPath } from "node:url";
import { KpkeysError } from "@kpkeys/core";
import { Argument, Command, Option } from "commander";
import { createPackage, KINDS } from "./create.js";
import type { Kind } from "./create.js";

const TEMPLATES = fileURLToPath(new URL("../templates/", import.meta.url));

/** Bad usage, as the `kpkeys` command has it. */
const USAGE = 2;

function tell(message: string): void {
  process.stderr.write(`create-kpkeys: ERR_USAGE: ${message.trimEnd()}\n`);
}

function create(folder: string, { kind }: { kind: Kind }): void {
  try {
    const files = createPackage(folder, kind, TEMPLATES);
    console.log(`${folder}: ${files.join(", ")}\n\nNow: cd ${folder} && npm install && npm test`);
  } catch (error) {
    if (!(error instanceof KpkeysError)) throw error;
    tell(error.message);
    process.exitCode = USAGE;
  }
}

new Command("create-kpkeys")
  .description("Makes a package for the kpkeys laboratory that passes its own tests at once.")
  .addArgument(new Argument("<folder>", "where to make it; its last part is the package's name"))
  .addOption(new Option("--kind <kind>", "what it is to be").choices(Object.keys(KINDS)).default("feature"))
  .configureOutput({
    outputError: (text) => {
      tell(`${text.replace(/^error: /, "").trimEnd()}; npm create kpkeys -- --help tells what there is`);
    },
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : USAGE))
  .action(create)
  .parse();
