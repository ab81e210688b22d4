import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fileReason, KpkeysError } from "@kpkeys/core";
import { Argument, Command, Option } from "commander";
import { createPackage } from "./create.js";
import { KINDS } from "./kinds.js";
import type { Kind } from "./kinds.js";

/** The worked examples: copies in a published package. A clone has the originals, outside this package, and no copies. */
const COPIES = fileURLToPath(new URL("../templates/", import.meta.url));
const ORIGINALS = join(COPIES, "../../../examples");

/** Exit status for bad usage, as in the `kpkeys` command. */
const USAGE = 2;

function printError(code: string, message: string): void {
  process.stderr.write(`create-kpkeys: ${code}: ${message.trimEnd().replaceAll(/\s*\n\s*/g, " ")}\n`);
}

function create(folder: string, { kind }: { kind: Kind }): void {
  try {
    const files = createPackage(folder, kind, existsSync(COPIES) ? COPIES : ORIGINALS);
    console.log(`${folder}: ${files.join(", ")}\n\nNow: cd ${folder} && npm install && npm test`);
  } catch (error) {
    if (!(error instanceof KpkeysError)) throw error;
    printError(error.code, error.message);
    process.exitCode = USAGE;
  }
}

// A full disk is an error; a closed pipe is not.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") printError("ERR_OUTPUT", `stdout: ${fileReason(error)}; expected a writable stdout`);
  process.exit(error.code === "EPIPE" ? 0 : USAGE);
});
process.stderr.on("error", () => undefined);

new Command("create-kpkeys")
  .description("Creates a package for kpkeys, with passing tests.")
  .addArgument(new Argument("<folder>", "new or empty folder; its last part is the package's name"))
  .addOption(new Option("--kind <kind>", "kind of package").choices(Object.keys(KINDS)).default("feature"))
  .configureOutput({
    outputError: (text) => {
      printError(
        "ERR_USAGE",
        `${text
          .replace(/^error: /, "")
          .trimEnd()
          .replace(/\.$/, "")}; run: npm create kpkeys -- --help`,
      );
    },
  })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : USAGE))
  .action(create)
  .parse();
