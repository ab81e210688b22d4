import { type Command, InvalidArgumentError, Option, OutputOption } from "./commander.js";
import type { CheckMode, Until } from "@kpkeys/workloads";
import type { Job } from "./job.js";
import { withPluginFlags } from "./plugins/flags.js";
import type { NamingFlags } from "./plugins/flags.js";
import { IdsOption } from "./plugins/ids-option.js";
import { defaultFeatures } from "./plugins/registry.js";
import type { PluginEntry } from "./plugins/registry.js";
import { machineOptionsOf, NEXT_LABEL, POLICIES, SERIES } from "@kpkeys/scenarios";
import type { Policy, SeriesName } from "@kpkeys/scenarios";

/** The parsed flags of commands that build machines. Lists are in the order of the known names. */
export interface CommonFlags extends NamingFlags {
  /** All loaded plugins. */
  readonly plugins: readonly PluginEntry[];
  /** Ids of architectures. */
  readonly arch: readonly string[];
  /** Versions of the series. */
  readonly series: readonly SeriesName[];
  /** Ids of features, for machines whose policy is not `off`. */
  readonly feature: readonly string[];
  /** Bytes of RAM. */
  readonly memory: number;
  /** Number of CPUs. */
  readonly cpus: number;
  /** Whether the CPUs have kernel pkeys. */
  readonly pkeys: boolean;
  /** Policies, weakest first. */
  readonly policy: readonly Policy[];
  /** A `.config` file for the machines. */
  readonly config?: string;
  /** Whether the result is printed as JSON. */
  readonly json?: true;
}

/** The flags of commands that replay a recording. */
export type ReplayFlags = CommonFlags & {
  /** A VmPTE file. */
  readonly vmpte?: string;
  /** How often the page tables are audited. */
  readonly check: CheckMode;
  /** The end of the replay. */
  readonly until?: Until;
  /** One program in this many is replayed, 1 or more; all programs if left out. */
  readonly sample?: number;
  /** Seed of the sample. */
  readonly seed: number;
  /** The file of the timelines. */
  readonly traceOut?: string;
  /** Machines that replay at the same time, 1 or more. */
  readonly workers?: number;
  /** A file of unit costs; the costs of RFC v5 if left out. */
  readonly cost?: string;
  /** Cycles of a WRMSR of the key register. */
  readonly wrmsrCycles?: number;
};

/** The defaults of flags. */
export const DEFAULTS = { series: "next", memory: "4GiB", cpus: 1 } as const;

const UNITS = { MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 };

/**
 * Makes a parser of lists such as `naive,batched`.
 * @param what - the kind of the names, for errors
 * @param table - the known names
 * @returns a parser that returns the names in the order of the table, each once
 * @throws InvalidArgumentError for a name that is not in the table; commander adds the flag to the message
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
      throw new InvalidArgumentError(`Unknown ${what} '${name}'; expected ${known.join(", ")}`);
    }
    return known.filter((name) => named.has(name));
  };
}

/**
 * Parses a size such as `4GiB`.
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
 * Formats a size in the form that {@link readBytes} parses.
 * @param bytes - a whole number of MiB
 */
export function bytesText(bytes: number): string {
  const [unit, one] = Object.entries(UNITS).findLast(([, size]) => bytes % size === 0)!;
  return `${bytes / one}${unit}`;
}

/**
 * Parses a whole number, 0 or more.
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
 * Parses a whole number, 1 or more.
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
 * Parses the end of a replay: a number of events, or seconds followed by `s`.
 * @param text - `1000000`, `2.5s`
 * @throws InvalidArgumentError for anything else
 */
function readUntil(text: string): Until {
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(text)?.[1];
  if (seconds !== undefined && Number(seconds) <= Number.MAX_SAFE_INTEGER) return { seconds: Number(seconds) };
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text)) && Number(text) > 0) return { events: Number(text) };
  throw new InvalidArgumentError("Expected a number of events, 1 or more, or seconds such as 2.5s");
}

/** The flag `--series`: an option whose value is a list of versions in their order. */
export function seriesOption(): Option {
  return new Option("--series <name,...>", `versions of the kpkeys series: v3 to v9 as posted; next: ${NEXT_LABEL}`)
    .argParser(listOf("series", SERIES))
    .default([DEFAULTS.series], DEFAULTS.series);
}

/**
 * The flag `--arch`: an option whose value is a list of ids, by default of all architectures.
 * @param description - for the help
 */
export function archOption(description: string): IdsOption {
  return new IdsOption("--arch <id,...>", description, "arch");
}

/**
 * Adds the flags of machines to a command.
 * @param command - the command
 * @param policies - the default of `--policy`
 * @returns the command
 */
export function withCommonFlags(command: Command, policies: readonly Policy[]): Command {
  return withPluginFlags(command)
    .addOption(archOption("architectures"))
    .addOption(new IdsOption("--feature <id,...>", "features: what is protected", "feature", defaultFeatures))
    .addOption(
      new Option(
        "--policy <name,...>",
        "use of the hardening: off, naive (a key switch in every setter), batched (one per lazy MMU section)",
      )
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
    .option(
      "--config <file>",
      "kernel config: lines CONFIG_X=y and `# CONFIG_X is not set`, added to what the plugins select",
    )
    .option("--json", "print one JSON document and nothing else");
}

/**
 * Adds the flags of replays to a command.
 * @param command - the command
 * @returns the command
 */
export function withReplayFlags(command: Command): Command {
  return command
    .option("--vmpte <file>", "VmPTE of each process at its exit, recorded on Linux, to compare the result with")
    .addOption(
      new Option(
        "--check <mode>",
        "audit the page tables during the replay: off, sampled (every 1,000 events) or step (every event)",
      )
        .choices(["off", "sampled", "step"])
        .default("off"),
    )
    .option("--until <end>", "stop after N events, or after a time such as 2.5s of the recording", readUntil)
    .option("--sample <n>", "replay one program in N, each from its execve to its end", readPositive)
    .option("--seed <n>", "seed of the programs that --sample selects", readWhole, 1)
    .addOption(
      new OutputOption("--trace-out <file>", "write a timeline of the replays, for Perfetto (ui.perfetto.dev)"),
    )
    .option("--workers <n>", "machines that replay at the same time (default: one for each processor)", readPositive)
    .option("--cost <file>", "unit costs, to estimate the system time added (default: those of RFC v5, arm64)")
    .option("--wrmsr-cycles <n>", "cycles of a write of IA32_PKRS (no measurement is published)", readWhole);
}

/**
 * Makes a job for each architecture, version of the series and policy, in that order. The jobs boot a machine and have no checks.
 * @param flags - the command line's
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
