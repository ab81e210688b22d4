import { readFileSync } from "node:fs";
import { COMMANDS } from "./command-line.js";
import type { Finish } from "./command-line.js";
import { Command, OutputOption } from "./commander.js";
import { MANIFEST } from "./package-files.js";
import { completeFlags, loadPlugins } from "./plugins/flags.js";
import type { NamingFlags } from "./plugins/flags.js";
import type { PluginEntry } from "./plugins/registry.js";
import { examplesOf } from "./examples.js";
import { EXIT, reportError, reportStdoutError } from "./errors.js";

/**
 * Runs the command.
 * @param argv - the process's arguments, node and script first
 * @returns the exit status: 0 good, 1 a check failed, 2 an error with a code (bad usage, unreadable input), 70 a bug, 130 interrupted
 */
export async function main(argv: readonly string[]): Promise<number> {
  let status: number = EXIT.GOOD;
  // A reader such as `head` closes the pipe early, which is not an error.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? status : reportStdoutError(error));
  });
  // If stderr cannot be written either, only the exit status reports the error.
  process.stderr.on("error", () => undefined);
  const program = createProgram((result) => {
    status = result;
  });
  try {
    await program.parseAsync(argv);
  } catch (error) {
    status = reportError(error, helpFor(program, argv[2]));
  }
  return status;
}

/** The command line that prints the help of a command. */
function helpFor({ commands }: Command, name: string | undefined): string {
  const command = commands.find((each) => each.name() === name);
  return command === undefined ? "kpkeys --help" : `kpkeys ${command.name()} --help`;
}

function createProgram(finish: Finish): Command {
  const { version } = JSON.parse(readFileSync(MANIFEST, "utf8")) as {
    version: string;
  };
  const program = new Command("kpkeys")
    .description(
      "Replays recorded workloads on a model kernel with protection keys: what they protect and what they cost.",
    )
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: () => undefined });

  for (const add of COMMANDS) add(program, finish);

  program.hook("preAction", async (_, command) => {
    await checkOutputs(command);
    await preparePlugins(command);
  });

  // Its flags are inputs of the architectures, which are loaded for this command only.
  const explain = program
    .command("explain")
    .description("explain step by step why an access faults, from an oops or from register values");
  program.hook("preSubcommand", async (_, command) => {
    if (command !== explain) return;
    const { prepareExplain } = await import("./commands/explain.js");
    await prepareExplain(explain, program.args.slice(1), finish);
  });

  for (const command of [program, ...program.commands]) {
    command.addHelpText("after", examplesOf(command.name()));
  }
  return program;
}

/** Loads the plugins that the user named. `explain` has already loaded them; `check-plugin` loads them in another process. */
async function preparePlugins(command: Command): Promise<void> {
  const takesPlugins = command.options.some(({ long }) => long === "--plugin");
  if (!takesPlugins || command.name() === "check-plugin") return;
  const flags = command.opts<NamingFlags & { plugins?: readonly PluginEntry[] }>();
  completeFlags(command, flags.plugins ?? (await loadPlugins(flags)));
}

/** Rejects an output file that is also an input or another output. */
async function checkOutputs(command: Command): Promise<void> {
  const outputs: string[] = [];
  const inputs = [...command.args];
  for (const option of command.options.filter(({ flags }) => flags.includes("<file>"))) {
    const value: unknown = command.getOptionValue(option.attributeName());
    if (typeof value === "string") (option instanceof OutputOption ? outputs : inputs).push(value);
  }
  if (outputs.length === 0) return;
  const [{ rejectSameFile }, { embeddedTrace }] = await Promise.all([
    import("./output.js"),
    import("@kpkeys/workloads/node"),
  ]);
  rejectSameFile(outputs, [...inputs, ...Object.values(embeddedTrace)]);
}
