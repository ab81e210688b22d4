import { type Command, InvalidArgumentError, Option, OutputOption } from "./commander.js";
import type { Until } from "@kpkeys/workloads";
import type { Job } from "./job.js";
import { withPluginFlags } from "./plugins/flags.js";
import type { NamingFlags } from "./plugins/flags.js";
import { IdsOption } from "./plugins/ids-option.js";
import { standardFeatures } from "./plugins/registry.js";
import type { PluginEntry } from "./plugins/registry.js";
import { machineOptionsOf, NEXT_LABEL, POLICIES, SERIES } from "@kpkeys/scenarios";
import type { Policy, SeriesName } from "@kpkeys/scenarios";

/** The flags that all commands share, as the command line gives them. Lists are in the order of their tables. */
export interface CommonFlags extends NamingFlags {
  /** The plugins that there are. */
  readonly plugins: readonly PluginEntry[];
  /** Ids of architectures. */
  readonly arch: readonly string[];
  /** Versions of the series. */
  readonly series: readonly SeriesName[];
  /** Ids of the features of the machines whose policy is not `off`. */
  readonly feature: readonly string[];
  /** Bytes of RAM. */
  readonly memory: number;
  /** Number of CPUs. */
  readonly cpus: number;
  /** Whether the CPUs have kernel pkeys. */
  readonly pkeys: boolean;
  /** Policies, weakest first. */
  readonly policy: readonly Policy[];
  /** A file of `.config` lines that the machines are configured with. */
  readonly config?: string;
  /** Whether the result is printed as JSON. */
  readonly json?: true;
}

/** What flags are if left out. */
export const DEFAULTS = { series: "next", memory: "4GiB", cpus: 1 } as const;

const UNITS = { MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/**
 * A reader of lists such as `naive,batched`.
 * @param what - what the names are names of
 * @param table - everything that has a name
 * @returns gives the names in the table's order, each once
 * @throws InvalidArgumentError for a name that is not in the table; commander says where
 */
export function listOf<Name extends string>(
  what: string,
  table: Readonly<Record<Name, unknown>>,
): (text: string) => Name[] {
  const known = Object.keys(table) as Name[];
  return (text) => {
    const named = new Set(text.split(",").map((name) => name.trim()));
    for (const name of named) {
      if (Object.hasOwn(table, name)) continue;
      throw new InvalidArgumentError(`There is no ${what} '${name}'; expected ${known.join(", ")}`);
    }
    return known.filter((name) => named.has(name));
  };
}

/**
 * Reads a size such as `4GiB`.
 * @param text - digits and a unit
 * @returns bytes
 * @throws InvalidArgumentError for anything else
 */
export function readBytes(text: string): number {
  const [, digits, unit] = /^(\d+)([MGT]iB)$/.exec(text) ?? [];
  if (digits === undefined) throw new InvalidArgumentError("Expected a whole number of MiB, GiB or TiB, such as 4GiB");
  const bytes = Number(digits) * UNITS[unit as keyof typeof UNITS];
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError("Expected a size of less than 8192TiB");
  return bytes;
}

/**
 * A size as {@link readBytes} reads it.
 * @param bytes - a whole number of MiB
 */
export function bytesText(bytes: number): string {
  const [unit, one] = Object.entries(UNITS).findLast(([, size]) => bytes % size === 0)!;
  return `${bytes / one}${unit}`;
}

/**
 * Reads a whole number that is not negative.
 * @param text - digits
 * @throws InvalidArgumentError for anything else
 */
export function readWhole(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError("Expected a whole number, 0 or more");
  return value;
}

/**
 * Reads a whole number that is not 0.
 * @param text - digits
 * @throws InvalidArgumentError for anything else
 */
export function readPositive(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value === 0)
    throw new InvalidArgumentError("Expected a whole number, 1 or more");
  return value;
}

/**
 * Reads how much of a trace is meant: a number of events, or seconds with an `s` behind them.
 * @param text - `1000000`, `2.5s`
 * @throws InvalidArgumentError for anything else
 */
function readUntil(text: string): Until {
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(text)?.[1];
  if (seconds !== undefined && Number(seconds) <= Number.MAX_SAFE_INTEGER) return { seconds: Number(seconds) };
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text)) && Number(text) > 0) return { events: Number(text) };
  throw new InvalidArgumentError("Expected a number of events, 1 or more, or seconds such as 2.5s");
}

/** The flag `--series`. @returns an option whose value is a list of versions in their order */
export function seriesOption(): Option {
  return new Option("--series <name,...>", `versions of the kpkeys series: v3 to v9 as posted; next: ${NEXT_LABEL}`)
    .argParser(listOf("series", SERIES))
    .default([DEFAULTS.series], DEFAULTS.series);
}

/**
 * The flag `--arch`.
 * @param description - for the help
 * @returns an option whose value is a list of ids, those of all architectures if left out
 */
export function archOption(description: string): IdsOption {
  return new IdsOption("--arch <id,...>", description, "arch");
}

/**
 * Gives a command the common flags.
 * @param command - the command
 * @param policies - the policies that there are without `--policy`
 * @returns the command
 */
export function withCommonFlags(command: Command, policies: readonly Policy[]): Command {
  return withPluginFlags(command)
    .addOption(archOption("architectures"))
    .addOption(new IdsOption("--feature <id,...>", "what is protected", "feature", standardFeatures))
    .addOption(
      new Option("--policy <name,...>", "how the hardening is used")
        .argParser(listOf("policy", POLICIES))
        .default(policies, policies.join(",")),
    )
    .addOption(seriesOption())
    .addOption(
      new Option("--memory <size>", "RAM of a machine")
        .argParser(readBytes)
        .default(readBytes(DEFAULTS.memory), DEFAULTS.memory),
    )
    .option("--cpus <n>", "CPUs of a machine", readWhole, DEFAULTS.cpus)
    .option("--no-pkeys", "CPUs without kernel pkeys")
    .option("--config <file>", "`.config` lines that say which symbols are on, beside what the plugins select")
    .option("--json", "print one JSON document and nothing else");
}

/**
 * Gives a command the flags of replaying.
 * @param command - the command
 * @returns the command
 */
export function withReplayFlags(command: Command): Command {
  return command
    .option("--vmpte <file>", "what Linux said of the same processes, to compare with")
    .addOption(
      new Option("--check <mode>", "look at the page tables during the replay: never, now and then, after each event")
        .choices(["off", "sampled", "step"])
        .default("off"),
    )
    .option("--until <end>", "replay the first events, or what is within `2.5s` of the first one", readUntil)
    .option("--sample <n>", "replay one program in n, each from its execve to its end", readPositive)
    .option("--seed <n>", "which programs --sample takes", readWhole, 1)
    .addOption(
      new OutputOption("--trace-out <file>", "write a timeline of the replays, for Perfetto (ui.perfetto.dev)"),
    )
    .option("--workers <n>", "machines that replay at once (default: one for each processor)", readPositive)
    .option("--cost <file>", "unit costs that estimate the system time added (default: those of RFC v5, arm64)")
    .option("--wrmsr-cycles <n>", "cycles of a write of IA32_PKRS, which nobody has measured", readWhole);
}

/**
 * One job for each architecture, version of the series and policy, in that order, with nothing to do yet but to boot.
 * @param flags - what the command line asks for
 */
export function jobsOf(flags: CommonFlags): Job[] {
  const jobs: Job[] = [];
  for (const arch of flags.arch) {
    for (const series of flags.series) {
      for (const policy of flags.policy) jobs.push(jobOf(flags, arch, series, policy));
    }
  }
  return jobs;
}

function jobOf(flags: CommonFlags, arch: string, series: SeriesName, policy: Policy): Job {
  const machine = machineOptionsOf(series, policy, arch, flags.feature);
  const ids = [arch, ...machine.features];
  return {
    series,
    policy,
    plugins: flags.plugins.filter(({ id }) => ids.includes(id)),
    spec: {
      arch,
      ...machine,
      options: { ...machine.options, [arch]: { ...machine.options[arch], pkeys: flags.pkeys } },
      memory: [{ bytes: flags.memory }],
      cpus: flags.cpus,
      boot: { rodata: "on" },
      strict: false,
      seed: 1,
    },
    checks: [],
  };
}
