import { Command, Option } from "../commander.js";
import { KpkeysError } from "@kpkeys/core";
import type { InputText } from "@kpkeys/core";
import { Explainer, explainInputs, LOG_TEXT, readLog, vectorArches } from "@kpkeys/explain";
import type { ExplainQuestion, FaultQuestion, LogReport } from "@kpkeys/explain";
import { openText } from "@kpkeys/workloads";
import { openTrace } from "@kpkeys/workloads/node";
import { EXIT } from "../errors.js";
import { loadPlugins, withPluginFlags } from "../plugins/flags.js";
import { IdsOption } from "../plugins/ids-option.js";
import { loadPlugin } from "../plugins/load.js";
import { idsOf, defaultFeatures } from "../plugins/registry.js";
import type { PluginEntry } from "../plugins/registry.js";
import { explanationTextOf } from "../report/explanation.js";
import type { ExplainReport } from "../report/explanation.js";
import { printReport } from "./print.js";
import { readVectorArgument } from "./vector-argument.js";

/** The name of standard input on the command line. */
const STDIN = "-";

/** The flags that all architectures share. */
interface ExplainFlags {
  /** Id of an architecture. */
  readonly arch?: string;
  /** Ids of the features of the kernel. */
  readonly feature: readonly string[];
  /** Table entries from the root down, separated by blanks or commas. */
  readonly entries?: readonly string[];
  /** A vector as JSON, or `FILE:LINE`. */
  readonly vector?: string;
  /** Whether the result is printed as JSON. */
  readonly json?: true;
}

/** Inputs of single table entries; `--entries` replaces them. */
const LEVEL_NAMES: ReadonlySet<string> = new Set(["pgd", "p4d", "pud", "pmd", "pte"]);

/** The flag of an input. */
interface InputFlag {
  /** The input's name. */
  readonly name: string;
  /** The name of its value in commander's options. */
  readonly attribute: string;
}

/**
 * Adds the flags and the action to `kpkeys explain`. Most flags are inputs of an architecture, so the plugins are loaded first.
 * @param command - the command, without flags
 * @param args - the arguments after its name on the command line
 * @param finish - receives the exit status
 */
export async function prepareExplain(
  command: Command,
  args: readonly string[],
  finish: (status: number) => void,
): Promise<void> {
  const naming = withPluginFlags(new Command()).helpOption(false).allowUnknownOption().allowExcessArguments();
  const plugins = await loadPlugins(naming.parse(args, { from: "user" }).opts());
  command.setOptionValue("plugins", plugins);
  const explainers = await loadExplainers(plugins, defaultFeatures(plugins));
  withPluginFlags(command)
    .argument("[file]", "a kernel log with a fault report, or - for stdin; flags override its values")
    .option("--arch <id>", `architecture (${idsOf("arch", plugins).join(", ")}), if the inputs do not identify it`)
    .option("--vector <json|file:line>", "a line of an architectural vector file, instead of all other inputs")
    .option("--entries <entry...>", "table entries from the root down, the leaf last")
    .addOption(
      new IdsOption(
        "--feature <id,...>",
        "features of the kernel, which define its keys and contexts",
        "feature",
        defaultFeatures,
      ),
    )
    .option("--json", "print one JSON document and nothing else");
  const inputs = addInputs(command, explainers);
  command.action(async (file: string | undefined, flags: ExplainFlags & Record<string, unknown>) => {
    const given = inputs.flatMap(({ name, attribute }) => {
      const value = flags[attribute];
      return typeof value === "string" ? [[name, value] as const] : [];
    });
    finish(await explain(await loadExplainers(plugins, flags.feature), file, flags, Object.fromEntries(given)));
  });
}

/**
 * Creates an explainer for each architecture, in the order of the plugins.
 * @param plugins - all loaded plugins
 * @param ids - ids of the features of the kernel
 */
async function loadExplainers(plugins: readonly PluginEntry[], ids: readonly string[]): Promise<Explainer[]> {
  const features = await Promise.all(plugins.filter(({ id }) => ids.includes(id)).map(loadPlugin));
  const arches = plugins.filter(({ kind }) => kind === "arch").map(loadPlugin);
  return (await Promise.all(arches)).map((arch) => new Explainer(arch, features));
}

/** Adds a flag for each input, below the heading of its architecture. Inputs of several architectures are below `Table entries`. */
function addInputs(command: Command, explainers: readonly Explainer[]): InputFlag[] {
  const flags: InputFlag[] = [];
  for (const { tools } of explainers) {
    for (const { name, label, description, required } of explainInputs(tools)) {
      if (flags.some((flag) => flag.name === name)) continue;
      const owners = ownersOf(name, explainers).map(({ id }) => id);
      const text = label === name ? description : `${label}: ${description}`;
      const option = new Option(`--${name} <value>`, required ? `${text} (required)` : text);
      command.addOption(option.helpGroup(owners.length === 1 ? `Inputs of ${owners[0]!}:` : "Page tables:"));
      flags.push({ name, attribute: option.attributeName() });
    }
  }
  return flags;
}

function ownersOf(name: string, explainers: readonly Explainer[]): Explainer[] {
  return explainers.filter(({ tools }) => explainInputs(tools).some((input) => input.name === name));
}

/** `kpkeys explain`: why an access faults. Returns status 1 when the model disagrees with the report. */
async function explain(
  explainers: readonly Explainer[],
  file: string | undefined,
  flags: ExplainFlags,
  inputs: Readonly<Record<string, string>>,
): Promise<number> {
  const candidates = architecturesOf(explainers, flags.arch);
  const log = file === undefined ? undefined : await readLog(await openLog(file), candidates);
  const asked = await questionOf(flags, inputs);
  const question = log === undefined ? asked : completed(log, asked);
  const explainer =
    log === undefined ? choose(candidates, flags.arch, question) : candidates.find((each) => each.id === log.id)!;
  const report: ExplainReport = {
    arch: explainer.id,
    ...(log === undefined ? { used: [], otherReports: 0 } : usedOf(log, question as FaultQuestion)),
    ...explainer.explain(question),
  };
  printReport(flags.json, report, (style) => explanationTextOf(report, style));
  return report.verdict.agrees ? EXIT.GOOD : EXIT.FAILED;
}

function openLog(file: string): Promise<InputText> {
  return file === STDIN
    ? openText("stdin", process.stdin as AsyncIterable<Uint8Array>, LOG_TEXT)
    : openTrace(file, LOG_TEXT);
}

async function questionOf(
  { vector, entries }: ExplainFlags,
  inputs: Readonly<Record<string, string>>,
): Promise<ExplainQuestion> {
  if (vector === undefined) {
    const list = entries?.flatMap((text) => text.split(",")).filter((text) => text !== "");
    return list === undefined ? { inputs } : { inputs, entries: list };
  }
  const other = entries === undefined ? Object.keys(inputs)[0] : "entries";
  if (other !== undefined)
    throw inputError(`--vector and --${other} are both given`, "--vector alone, because a vector has all inputs");
  return { vector: await readVectorArgument(vector) };
}

/** The inputs of a log, overridden by the flags. */
function completed(log: LogReport, asked: ExplainQuestion): FaultQuestion {
  if ("vector" in asked) throw inputError("--vector and a log are both given", "either --vector or a log");
  const found = Object.entries(log.inputs).filter(([name]) => asked.entries === undefined || !LEVEL_NAMES.has(name));
  const inputs = Object.fromEntries(found.map(([name, { text }]) => [name, text]));
  return { ...asked, inputs: { ...inputs, ...asked.inputs }, unreadable: log.unreadable.length > 0 };
}

/** The lines of a log that the inputs are from. */
function usedOf(log: LogReport, { inputs }: FaultQuestion): Pick<ExplainReport, "file" | "used" | "otherReports"> {
  const found = Object.entries(log.inputs).filter(([name, { text }]) => inputs[name] === text);
  const lines = new Set([...found.map(([, { line }]) => line), ...log.unreadable]);
  return { file: log.file, used: [...lines].sort((a, b) => a - b), otherReports: log.others };
}

function architecturesOf(explainers: readonly Explainer[], arch: string | undefined): readonly Explainer[] {
  const found = arch === undefined ? explainers : explainers.filter(({ id }) => id === arch);
  if (found.length > 0) return found;
  throw new KpkeysError("ERR_USAGE", `unknown architecture '${arch!}'`, { expected: listIds(explainers) });
}

/** The architecture of `--arch`, else of the vector, else the only one that has all inputs. */
function choose(candidates: readonly Explainer[], arch: string | undefined, question: ExplainQuestion): Explainer {
  if ("vector" in question) {
    const kind = question.vector["arch"];
    const found = candidates.find(({ tools }) => vectorArches(tools).some((name) => name === kind));
    if (found !== undefined) return found;
    const kinds = candidates.flatMap(({ tools }) => vectorArches(tools));
    const value = kind === undefined ? "missing" : JSON.stringify(kind);
    throw inputError(`the vector's field 'arch' is ${value}`, kinds.join(" or "));
  }
  // The explainer itself rejects inputs that its architecture does not have.
  if (arch !== undefined) return candidates[0]!;
  const names = Object.keys(question.inputs);
  const fitting = candidates.filter((each) => names.every((name) => ownersOf(name, candidates).includes(each)));
  if (fitting.length === 1) return fitting[0]!;
  if (fitting.length > 1)
    throw inputError("the inputs do not identify the architecture", "the value of a register, or --arch");
  const owned = names.map((name) => `--${name} (${listIds(ownersOf(name, candidates))})`);
  throw inputError(`the inputs belong to different architectures: ${owned.join(", ")}`, "inputs of one architecture");
}

function listIds(explainers: readonly Explainer[]): string {
  return explainers.map(({ id }) => id).join(" or ");
}

function inputError(what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_EXPLAIN_INPUT", what, { expected });
}
