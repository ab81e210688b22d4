import { readFileSync } from "node:fs";
import { COMMANDS } from "./command-line.js";
import type { Finish } from "./command-line.js";
import { Command, OutputOption } from "./commander.js";
import { MANIFEST } from "./package-files.js";
import { completeFlags, loadPlugins } from "./plugins/flags.js";
import type { NamingFlags } from "./plugins/flags.js";
import type { PluginEntry } from "./plugins/registry.js";
import { examplesOf } from "./examples.js";
import { EXIT, tellError, tellStdout } from "./errors.js";

/**
 * The command.
 * @param argv - the process's arguments, node and script first
 * @returns the exit status: 0 good, 1 what was checked failed, 2 bad usage or unreadable input, 70 a bug, 130 interrupted
 */
export async function main(argv: readonly string[]): Promise<number> {
  let status: number = EXIT.GOOD;
  // A reader that has seen enough (`| head`) closes the pipe: nothing is wrong, and no message would be read.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    process.exit(error.code === "EPIPE" ? status : tellStdout(error));
  });
  // Where messages cannot be written either, the exit status remains.
  process.stderr.on("error", () => undefined);
  try {
    await createProgram((result) => {
      status = result;
    }).parseAsync(argv);
  } catch (error) {
    status = tellError(error);
  }
  return status;
}

function createProgram(finish: Finish): Command {
  const { version } = JSON.parse(readFileSync(MANIFEST, "utf8")) as {
    version: string;
  };
  const program = new Command("kpkeys")
    .description("What kernel protection keys protect on a real workload, and what they cost.")
    .version(version)
    .exitOverride()
    .configureOutput({ outputError: () => undefined });

  for (const add of COMMANDS) add(program, finish);

  program.hook("preAction", async (_, command) => {
    await checkOutputs(command);
    await preparePlugins(command);
  });

  // Its flags are the architectures' inputs, which are loaded for it alone.
  const explain = program.command("explain").description("why an access faults, step by step, from an oops");
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

/** Loads what the user named, for commands that take plugins and have not done so. `check-plugin` leaves it to another process. */
async function preparePlugins(command: Command): Promise<void> {
  const takesPlugins = command.options.some(({ long }) => long === "--plugin");
  if (!takesPlugins || command.name() === "check-plugin") return;
  const flags = command.opts<NamingFlags & { plugins?: readonly PluginEntry[] }>();
  completeFlags(command, flags.plugins ?? (await loadPlugins(flags)));
}

/** No file that a command writes may be one that it reads, or one that it writes too. */
async function checkOutputs(command: Command): Promise<void> {
  const outputs: string[] = [];
  const inputs = [...command.args];
  for (const option of command.options.filter(({ flags }) => flags.includes("<file>"))) {
    const value: unknown = command.getOptionValue(option.attributeName());
    if (typeof value === "string") (option instanceof OutputOption ? outputs : inputs).push(value);
  }
  if (outputs.length === 0) return;
  const [{ refuseSameFile }, { embeddedTrace }] = await Promise.all([
    import("./output.js"),
    import("@kpkeys/workloads/node"),
  ]);
  refuseSameFile(outputs, [...inputs, ...Object.values(embeddedTrace)]);
}
