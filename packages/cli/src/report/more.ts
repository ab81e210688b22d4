import { statSync } from "node:fs";
import { relative } from "node:path";
import { embeddedTrace } from "@kpkeys/workloads/node";
import type { ReplayFlags } from "../replay-flags.js";
import { bytesText, DEFAULTS } from "../options.js";
import type { CommonFlags } from "../options.js";
import type { NamingFlags } from "../plugins/flags.js";
import { idsOf, standardFeatures } from "../plugins/registry.js";
import { shellOf } from "../recording/shell.js";
import { POLICIES } from "@kpkeys/scenarios";
import type { RunReport } from "@kpkeys/workloads/report";
import type { Style } from "./style.js";
import type { Row } from "./table.js";

/** Commands that say more than a block of the report does, each with what it says as a comment of the shell. */
export interface More {
  /** Than the counts of table pages. */
  readonly coverage: readonly string[];
  /** Than the results of the checks. */
  readonly protection: readonly string[];
  /** Than the counts of what the replay cost. */
  readonly cost: readonly string[];
  /** Than the estimate of system time. */
  readonly estimate: readonly string[];
  /** Than the comparison with Linux. */
  readonly faithfulness: readonly string[];
}

/** A report that names no command. */
export const NO_MORE: More = { coverage: [], protection: [], cost: [], estimate: [], faithfulness: [] };

/** What a report was asked for with. */
export interface Asked {
  /** The command. */
  readonly command: "run" | "replay";
  /** The recording. */
  readonly trace: string;
  /** The flags, those that were not given with their defaults. */
  readonly flags: ReplayFlags;
  /** Whether the recording is there after the command has ended. */
  readonly kept: boolean;
}

/** A flag, its value as the command line takes it, and the value that it has if left out. */
type Word = readonly [flag: string, value: string | number | undefined, standard?: string | number | undefined];

/** Events of a timeline: a long recording would make a file of gigabytes. */
const TIMELINE_EVENTS = 10_000;

/**
 * Names the commands that say more about the machines and the recording of a report.
 * @param asked - what the report was asked for with
 * @param report - what was found out
 */
export function moreOf(asked: Asked, { arches }: RunReport): More {
  const { trace, flags } = asked;
  const { arch, series, policy, check, cost } = flags;
  const machine = machineWords({ ...flags, policy: policy.slice(-1) }, "batched");
  // A pipe can be read once.
  const readable = asked.kept && statSync(trace, { throwIfNoEntry: false })?.isFile() === true;
  const ifReadable = (...lines: string[]): string[] => (readable ? lines : []);
  const isBundled = trace === embeddedTrace.trace;
  const file = isBundled ? relative(process.cwd(), trace) : trace;
  const estimated = arches.some(({ policies }) => Object.values(policies).some(({ overhead }) => overhead !== null));
  const whatIf = given([
    ["--trace", isBundled ? undefined : file],
    ["--cost", cost],
  ]);
  const naming = namingWords(flags);
  const shown = given([
    ["--arch", arch.join(","), idsOf("arch", flags.plugins).join(",")],
    ["--series", series.join(","), DEFAULTS.series],
  ]);
  return {
    coverage:
      series.length > 1
        ? []
        : ifReadable(
            again(asked, "the versions side by side", {
              series: series[0] === "next" ? ["v9", "next"] : [series[0]!, "next"],
            }),
          ),
    protection: [
      ...ifReadable(line("by source of the table pages", "attack", file, ...machine)),
      ...(check === "off" ? ifReadable(again(asked, "open during the replay", { check: "sampled" })) : []),
      line("each case of KUnit", "kunit", ...machine),
      line("one store that is denied, step by step", "show", ...naming, ...shown),
    ],
    cost: [
      ...ifReadable(again(asked, "table writes by setter", {}, "--json")),
      ...(estimated
        ? ifReadable(line("other places for the guards", "overhead", "--what-if", ...naming, ...whatIf))
        : []),
    ],
    estimate: estimated && cost === undefined ? [line("the estimate next to RFC v5's table", "overhead")] : [],
    faithfulness: ifReadable(
      again(
        asked,
        "a timeline for ui.perfetto.dev",
        { until: flags.until ?? { events: TIMELINE_EVENTS } },
        "--trace-out",
        "out.pftrace",
      ),
    ),
  };
}

/** A command and what it says. */
function line(says: string, ...words: string[]): string {
  return `${shellOf(["kpkeys", ...words])}  # ${says}`;
}

/** The command of the report again, with other flags. */
function again(
  { command, trace, flags }: Asked,
  says: string,
  changes: Partial<ReplayFlags>,
  ...words: string[]
): string {
  const { vmpte, check, until, sample, seed, cost, wrmsrCycles, ...machine } = { ...flags, ...changes };
  const isBundled = command === "run" && trace === embeddedTrace.trace;
  const replay = given([
    ["--vmpte", vmpte, isBundled ? embeddedTrace.vmpte : undefined],
    ["--check", check, "off"],
    ["--until", until && ("events" in until ? until.events : `${until.seconds}s`)],
    ["--sample", sample],
    ["--seed", sample && seed, 1],
    ["--cost", cost],
    ["--wrmsr-cycles", wrmsrCycles],
  ]);
  const all = Object.keys(POLICIES).join(",");
  return line(says, command, ...(isBundled ? [] : [trace]), ...machineWords(machine, all), ...replay, ...words);
}

/** The words that make the same machines. @param policies - what `--policy` is if left out */
function machineWords(flags: Omit<CommonFlags, "json">, policies: string): string[] {
  const { plugins, arch, series, feature, policy, memory, cpus, pkeys, config } = flags;
  const words = given([
    ["--arch", arch.join(","), idsOf("arch", plugins).join(",")],
    ["--series", series.join(","), DEFAULTS.series],
    ["--feature", feature.join(","), standardFeatures(plugins).join(",")],
    ["--policy", policy.join(","), policies],
    ["--memory", bytesText(memory), DEFAULTS.memory],
    ["--cpus", cpus, DEFAULTS.cpus],
    ["--config", config],
  ]);
  return [...namingWords(flags), ...words, ...(pkeys ? [] : ["--no-pkeys"])];
}

/** The words that load the same plugins. */
function namingWords({ plugin = [], noConfig }: NamingFlags): string[] {
  return [...plugin.flatMap((spec) => ["--plugin", spec]), ...(noConfig === true ? ["--no-config"] : [])];
}

/** The flags that differ from what they are if left out. */
function given(words: readonly Word[]): string[] {
  return words.flatMap(([flag, value, standard]) =>
    value === undefined || value === standard ? [] : [flag, String(value)],
  );
}

/**
 * Commands below a block of a report.
 * @param commands - the commands, of which there may be none
 * @param style - the colours
 * @returns rows of the table that the block is in
 */
export function moreRows(commands: readonly string[], style: Style): Row[] {
  return commands.map((command, at) => [style.dim(`  ${at === 0 ? "more:" : "     "} ${command}`)]);
}
