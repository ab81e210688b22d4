import { Option, OutputOption } from "./commander.js";
import type { Command } from "./commander.js";
import type { BudgetFlags } from "./commands/budget.js";
import type { ConformFlags } from "./commands/conform.js";
import type { PluginFlags } from "./commands/check-plugin.js";
import type { KunitFlags } from "./commands/kunit.js";
import type { MuseumFlags } from "./commands/museum.js";
import type { OverheadFlags } from "./commands/overhead.js";
import type { PluginsFlags } from "./commands/plugins.js";
import type { RecordFlags } from "./commands/record.js";
import type { ReplayFlags } from "./options.js";
import type { ShowFlags } from "./commands/show.js";
import { archOption, readPositive, readWhole, seriesOption, withCommonFlags, withReplayFlags } from "./options.js";
import type { CommonFlags } from "./options.js";
import { withPluginFlags } from "./plugins/flags.js";
import { IdsOption } from "./plugins/ids-option.js";
import { BUNDLED, idsOf } from "./plugins/registry.js";
import type { Policy } from "@kpkeys/scenarios";

/** Receives the exit status of a command. */
export type Finish = (status: number) => void;

/** The help of --account. */
const ACCOUNT_HELP = `
With --account a tracer (perl and ptrace) stops each thread at its exit and reads VmPTE, VmRSS and the minor faults of its process from
/proc. Processes that a signal ends or that outlive the command are not compared. A workload that uses ptrace itself (strace, gdb) cannot
be traced. Set-user-ID programs run without their privileges unless root traces them. With --output FILE the account is kept next to it,
as NAME.vmpte.txt.`;

const ALL_POLICIES: readonly Policy[] = ["off", "naive", "batched"];

function addRun(program: Command, finish: Finish): void {
  withReplayFlags(withCommonFlags(program.command("run"), ALL_POLICIES))
    .description("replay a workload, audit the page tables, attack them and run KUnit: the full report")
    .argument(
      "[trace]",
      "text of perf script, ftrace, trace-cmd or strace, plain or gzip (default: the bundled gcc recording)",
    )
    .action(async (trace: string | undefined, flags: ReplayFlags) => {
      const { run } = await import("./commands/replay.js");
      finish(await run(trace, flags));
    });
}

function addReplay(program: Command, finish: Finish): void {
  withReplayFlags(withCommonFlags(program.command("replay"), ALL_POLICIES))
    .description("replay a workload: cost and coverage of the hardening")
    .argument("<trace>", "text of perf script, ftrace, trace-cmd or strace, plain or gzip")
    .action(async (trace: string, flags: ReplayFlags) => {
      const { replay } = await import("./commands/replay.js");
      finish(await replay(trace, flags));
    });
}

function addRecord(program: Command, finish: Finish): void {
  withReplayFlags(withCommonFlags(program.command("record"), ALL_POLICIES))
    .description("record a command with perf, then replay it; prints the perf commands first")
    .argument("<command...>", "the workload and its arguments, after --")
    .addOption(new OutputOption("-o, --output <file>", "keep the recording in this file"))
    .addOption(
      new Option("--account", "compare each process with the kernel's account of its page tables").conflicts("vmpte"),
    )
    .addHelpText("after", ACCOUNT_HELP)
    .action(async (command: string[], flags: RecordFlags) => {
      const { record } = await import("./commands/record.js");
      finish(await record(command, flags));
    });
}

function addKunit(program: Command, finish: Finish): void {
  withCommonFlags(program.command("kunit"), ["batched"])
    .description("run the kernel's test suites on machines that have just booted; prints KTAP")
    .option("--filter <glob>", "run only matching cases: a glob of suites, or SUITE.CASE with a glob for each")
    .option("--list", "list the cases without running them")
    .addOption(new OutputOption("--junit <file>", "also write the results to a file as JUnit XML"))
    .option("--seed <n>", "run the cases of each suite in a random order with this seed", readWhole)
    .action(async (flags: KunitFlags) => {
      const { kunit } = await import("./commands/kunit.js");
      finish(await kunit(flags));
    });
}

function addShow(program: Command, finish: Finish): void {
  withPluginFlags(program.command("show"))
    .description(
      "show one guarded set_pte and one stray store: register, barrier, walk, entry, verdict; with and without the hardening",
    )
    .addOption(archOption("architectures"))
    .addOption(seriesOption())
    .option("--json", "print one JSON document and nothing else")
    .action(async (flags: ShowFlags) => {
      const { show } = await import("./commands/show.js");
      finish(await show(flags));
    });
}

function addKtap(program: Command, finish: Finish): void {
  program
    .command("ktap")
    .description("read a KTAP document, or a console log that contains one, and report failed tests and errors")
    .argument("<file>", "the document, plain or gzip; - for stdin")
    .option("--json", "print one JSON document and nothing else")
    .action(async (file: string, flags: Pick<CommonFlags, "json">) => {
      const { ktap } = await import("./commands/ktap.js");
      finish(await ktap(file, flags));
    });
}

function addAttack(program: Command, finish: Finish): void {
  withCommonFlags(program.command("attack"), ["batched"])
    .description(
      "store to page tables and protected objects from outside their setters, and load from secrets, through every mapping",
    )
    .argument("[trace]", "a recording to replay first (default: attack after boot)")
    .action(async (trace: string | undefined, flags: CommonFlags) => {
      const { attack } = await import("./commands/attack.js");
      finish(await attack(trace, flags));
    });
}

function addConform(program: Command, finish: Finish): void {
  withPluginFlags(program.command("conform"))
    .description("compare the model with architectural test vectors, line by line")
    .argument("<files...>", "vectors as JSON Lines, plain or gzip")
    .addOption(new IdsOption("--arch <id,...>", "architectures of the vectors", "arch", bundledArches))
    .option("--json", "print one JSON document and nothing else")
    .action(async (files: string[], flags: ConformFlags) => {
      const { conform } = await import("./commands/conform.js");
      finish(await conform(files, flags));
    });
}

function addOverhead(program: Command, finish: Finish): void {
  withPluginFlags(program.command("overhead"))
    .description("fit the cost model to half of RFC v5's overhead table and check its predictions on the other half")
    .option("--trace <file>", "recording used as kernbench (default: the bundled gcc recording)")
    .option("--counts", "print the counts of one operation of each benchmark")
    .option("--what-if", "compare cost and exposure of other guard placements, on each architecture")
    .option("--cost <file>", "unit costs for --what-if (default: those of RFC v5, arm64)")
    .addOption(new OutputOption("--save-costs <file>", "write the fitted unit costs, for --cost of other commands"))
    .option("--seed <n>", "seed of the bootstrap that finds the ranges", readWhole, 1)
    .option("--csv", "print the predictions as CSV")
    .option("--json", "print one JSON document and nothing else")
    .action(async (flags: OverheadFlags) => {
      const { overhead } = await import("./commands/overhead.js");
      finish(await overhead(flags));
    });
}

function addCheckPlugin(program: Command, finish: Finish): void {
  withPluginFlags(program.command("check-plugin"))
    .description("run the conformance kit on an architecture or feature package; runs its code in a separate process")
    .argument("<path>", "the folder of a built package, or an ES module")
    .addOption(timeoutOption())
    .option("--json", "print one JSON document and nothing else")
    .action(async (path: string, flags: PluginFlags) => {
      const { checkPlugin } = await import("./commands/check-plugin.js");
      finish(await checkPlugin(path, flags));
    });
}

function addMuseum(program: Command, finish: Finish): void {
  withPluginFlags(program.command("museum"))
    .description("reproduce the bugs fixed in each version of the series, with and without the fix")
    .addOption(new IdsOption("--arch <id,...>", "architectures", "arch", bundledArches))
    .option("--id <exhibit>", "run one exhibit; prints its story, its fix and a trace of both sides")
    .addOption(new Option("--replay <string>", "run one side again from its replay string").conflicts(["id", "arch"]))
    .option("--json", "print one JSON document and nothing else")
    .action(async (flags: MuseumFlags) => {
      const { museum } = await import("./commands/museum.js");
      finish(await museum(flags));
    });
}

function addBudget(program: Command, finish: Finish): void {
  withPluginFlags(program.command("budget"))
    .description(
      "list the keys and contexts each feature needs, how many keys remain, and what sharing a key would expose",
    )
    .argument("[modules...]", "packages or ES modules that export your features; their code runs in a separate process")
    .addOption(archOption("architectures"))
    .addOption(new IdsOption("--feature <id,...>", "other features", "feature"))
    .addOption(timeoutOption())
    .option("--json", "print one JSON document and nothing else")
    .action(async (modules: string[], flags: BudgetFlags) => {
      const { budget } = await import("./commands/budget.js");
      finish(await budget(modules, flags));
    });
}

function addPlugins(program: Command, finish: Finish): void {
  withPluginFlags(program.command("plugins"))
    .description("list the loaded plugins: bundled, of --plugin, and of kpkeys.config.*")
    .option("--json", "print one JSON document and nothing else")
    .action(async (flags: PluginsFlags) => {
      const { plugins } = await import("./commands/plugins.js");
      finish(await plugins(flags));
    });
}

/** The default of commands whose vectors and exhibits are written for the bundled architectures. */
const bundledArches = (): string[] => idsOf("arch", BUNDLED);

/** The flag `--timeout`. */
function timeoutOption(): Option {
  return new Option("--timeout <seconds>", "time limit for the package's code").argParser(readPositive).default(30);
}

/** Adds each command except `explain`, whose flags depend on the architectures. In the order of the help. */
export const COMMANDS: readonly ((program: Command, finish: Finish) => void)[] = [
  addRun,
  addReplay,
  addRecord,
  addKunit,
  addShow,
  addKtap,
  addAttack,
  addConform,
  addOverhead,
  addCheckPlugin,
  addPlugins,
  addMuseum,
  addBudget,
];
