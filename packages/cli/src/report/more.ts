import { statSync } from "node:fs";
import { relative } from "node:path";
import { embeddedTrace } from "@kpkeys/workloads/node";
import { bytesText, DEFAULTS } from "../options.js";
import type { CommonFlags, ReplayFlags } from "../options.js";
import type { NamingFlags } from "../plugins/flags.js";
import { idsOf, defaultFeatures } from "../plugins/registry.js";
import { shellOf } from "../recording/shell.js";
import { POLICIES } from "@kpkeys/scenarios";
import type { RunReport } from "@kpkeys/workloads/report";
import type { Style } from "./style.js";
import type { Row } from "./table.js";

/** Commands that print more details than a block of the report, each followed by a shell comment. */
export interface More {
  /** About the counts of table pages. */
  readonly coverage: readonly string[];
  /** About the results of the checks. */
  readonly protection: readonly string[];
  /** About the cost of the replay. */
  readonly cost: readonly string[];
  /** About the estimate of system time. */
  readonly estimate: readonly string[];
  /** About the comparison with Linux. */
  readonly linux: readonly string[];
}

/** A report without such commands. */
export const NO_MORE: More = { coverage: [], protection: [], cost: [], estimate: [], linux: [] };

/** The command line of a report. */
export interface Asked {
  /** The command. */
  readonly command: "run" | "replay";
  /** The recording. */
  readonly trace: string;
  /** The flags, including defaults. */
  readonly flags: ReplayFlags;
  /** Whether the recording still exists after the command ends. */
  readonly kept: boolean;
}

/** A flag, its value, and its default. */
type Word = readonly [flag: string, value: string | number | undefined, defaultValue?: string | number | undefined];

/** Events of the suggested timeline. The timeline of a whole recording may take gigabytes. */
const TIMELINE_EVENTS = 10_000;

/**
 * Makes the commands that print more details about the machines and the recording of a report.
 * @param asked - the command line of the report
 * @param report - the report
 */
export function moreOf(asked: Asked, { arches }: RunReport): More {
  const { trace, flags } = asked;
  const { arch, series, policy, check, cost } = flags;
  const machine = machineWords({ ...flags, policy: policy.slice(-1) }, "batched");
  // A pipe can be read only once.
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
      ...(check === "off"
        ? ifReadable(again(asked, "audit the page tables during the replay", { check: "sampled" }))
        : []),
      line("each case of KUnit", "kunit", ...machine),
      line("one store that is denied, step by step", "show", ...naming, ...shown),
    ],
    cost: [
      ...ifReadable(again(asked, "table writes by setter", {}, "--json")),
      ...(estimated ? ifReadable(line("other guard placements", "overhead", "--what-if", ...naming, ...whatIf)) : []),
    ],
    estimate: estimated && cost === undefined ? [line("the estimate next to RFC v5's table", "overhead")] : [],
    linux: ifReadable(
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

/** A command and its comment. */
function line(comment: string, ...words: string[]): string {
  return `${shellOf(["kpkeys", ...words])}  # ${comment}`;
}

/** The command of the report with other flags. */
function again(
  { command, trace, flags }: Asked,
  comment: string,
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
  return line(comment, command, ...(isBundled ? [] : [trace]), ...machineWords(machine, all), ...replay, ...words);
}

/**
 * The words that build the same machines.
 * @param policies - the default of `--policy`
 */
function machineWords(flags: Omit<CommonFlags, "json">, policies: string): string[] {
  const { plugins, arch, series, feature, policy, memory, cpus, pkeys, config } = flags;
  const words = given([
    ["--arch", arch.join(","), idsOf("arch", plugins).join(",")],
    ["--series", series.join(","), DEFAULTS.series],
    ["--feature", feature.join(","), defaultFeatures(plugins).join(",")],
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

/** The flags that differ from their defaults. */
function given(words: readonly Word[]): string[] {
  return words.flatMap(([flag, value, defaultValue]) =>
    value === undefined || value === defaultValue ? [] : [flag, String(value)],
  );
}

/**
 * The rows of commands below a block of a report.
 * @param commands - the commands, possibly none
 * @param style - the colours
 * @returns rows of the table of the block
 */
export function moreRows(commands: readonly string[], style: Style): Row[] {
  return commands.map((command, at) => [style.dim(`  ${at === 0 ? "more:" : "     "} ${command}`)]);
}
