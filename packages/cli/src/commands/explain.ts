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
import { idsOf, standardFeatures } from "../plugins/registry.js";
import type { PluginEntry } from "../plugins/registry.js";
import { explanationTextOf } from "../report/explanation.js";
import type { ExplainReport } from "../report/explanation.js";
import { styleFor } from "../report/style.js";
import { print, printJson } from "./print.js";
import { readVectorArgument } from "./vector-argument.js";

/** The name of standard input on the command line. */
const STDIN = "-";

/** The flags that are not inputs of an architecture. */
interface ExplainFlags {
  /** Id of an architecture. */
  readonly arch?: string;
  /** What the kernel protects. */
  readonly feature: readonly string[];
  /** Table entries from the root down, separated by blanks or commas. */
  readonly entries?: readonly string[];
  /** A vector, or where one stands. */
  readonly vector?: string;
  /** Whether the result is printed as JSON. */
  readonly json?: true;
}

/** Names of table entries: a list of entries takes their place. */
const LEVEL_NAMES: ReadonlySet<string> = new Set(["pgd", "p4d", "pud", "pmd", "pte"]);

/** An input as a flag. */
interface InputFlag {
  /** The input's name. */
  readonly name: string;
  /** The name under which commander keeps its value. */
  readonly attribute: string;
}

/**
 * Gives `kpkeys explain` its flags, which the architectures have, and its action.
 * @param command - the command, without flags
 * @param args - what follows its name on the command line
 * @param finish - takes the exit status
 */
export async function prepareExplain(
  command: Command,
  args: readonly string[],
  finish: (status: number) => void,
): Promise<void> {
  const naming = withPluginFlags(new Command()).helpOption(false).allowUnknownOption().allowExcessArguments();
  const plugins = await loadPlugins(naming.parse(args, { from: "user" }).opts());
  command.setOptionValue("plugins", plugins);
  const explainers = await loadExplainers(plugins, standardFeatures(plugins));
  withPluginFlags(command)
    .argument("[file]", "a kernel log with the report of a fault, or - for stdin; flags complete it")
    .option("--arch <id>", `architecture (${idsOf("arch", plugins).join(", ")}), if the inputs do not tell`)
    .option("--vector <json|file:line>", "a line of an architectural vector file, instead of all else")
    .option("--entries <entry...>", "table entries from the root down, the leaf last")
    .addOption(
      new IdsOption(
        "--feature <id,...>",
        "what the kernel protects, which decides on its keys and contexts",
        "feature",
        standardFeatures,
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
 * An explainer for each architecture, in the order of the plugins.
 * @param plugins - the plugins that there are
 * @param ids - the features that the kernel has
 */
async function loadExplainers(plugins: readonly PluginEntry[], ids: readonly string[]): Promise<Explainer[]> {
  const features = await Promise.all(plugins.filter(({ id }) => ids.includes(id)).map(loadPlugin));
  const arches = plugins.filter(({ kind }) => kind === "arch").map(loadPlugin);
  return (await Promise.all(arches)).map((arch) => new Explainer(arch, features));
}

/** A flag for each input, under the heading of its architecture; what several have stands under one of its own. */
function addInputs(command: Command, explainers: readonly Explainer[]): InputFlag[] {
  const flags: InputFlag[] = [];
  for (const { tools } of explainers) {
    for (const { name, label, description, required } of explainInputs(tools)) {
      if (flags.some((flag) => flag.name === name)) continue;
      const owners = ownersOf(name, explainers).map(({ id }) => id);
      const told = label === name ? description : `${label}: ${description}`;
      const option = new Option(`--${name} <value>`, required ? `${told} (needed)` : told);
      command.addOption(option.helpGroup(owners.length === 1 ? `Inputs of ${owners[0]!}:` : "Table entries:"));
      flags.push({ name, attribute: option.attributeName() });
    }
  }
  return flags;
}

function ownersOf(name: string, explainers: readonly Explainer[]): Explainer[] {
  return explainers.filter(({ tools }) => explainInputs(tools).some((input) => input.name === name));
}

/** `kpkeys explain`: why an access faults. */
async function explain(
  explainers: readonly Explainer[],
  file: string | undefined,
  flags: ExplainFlags,
  inputs: Readonly<Record<string, string>>,
): Promise<number> {
  const those = architecturesOf(explainers, flags.arch);
  const log = file === undefined ? undefined : await readLog(await openLog(file), those);
  const asked = await questionOf(flags, inputs);
  const question = log === undefined ? asked : completed(log, asked);
  const explainer = log === undefined ? choose(those, flags.arch, question) : those.find((each) => each.id === log.id)!;
  const report: ExplainReport = {
    arch: explainer.id,
    ...(log === undefined ? { used: [], otherReports: 0 } : usedOf(log, question as FaultQuestion)),
    ...explainer.explain(question),
  };
  if (flags.json === true) printJson(report);
  else print(explanationTextOf(report, styleFor(process.stdout)));
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
  if (other !== undefined) throw refuse(`--vector and --${other} are both given`, "a vector alone: it has all inputs");
  return { vector: await readVectorArgument(vector) };
}

/** What a log has, with the flags in the place of what they name. */
function completed(log: LogReport, asked: ExplainQuestion): FaultQuestion {
  if ("vector" in asked) throw refuse("--vector and a log are both given", "one of them");
  const found = Object.entries(log.inputs).filter(([name]) => asked.entries === undefined || !LEVEL_NAMES.has(name));
  const inputs = Object.fromEntries(found.map(([name, { text }]) => [name, text]));
  return { ...asked, inputs: { ...inputs, ...asked.inputs }, unreadable: log.unreadable.length > 0 };
}

/** Which lines of a log the question is from. */
function usedOf(log: LogReport, { inputs }: FaultQuestion): Pick<ExplainReport, "file" | "used" | "otherReports"> {
  const found = Object.entries(log.inputs).filter(([name, { text }]) => inputs[name] === text);
  const lines = new Set([...found.map(([, { line }]) => line), ...log.unreadable]);
  return { file: log.file, used: [...lines].sort((a, b) => a - b), otherReports: log.others };
}

function architecturesOf(explainers: readonly Explainer[], arch: string | undefined): readonly Explainer[] {
  const those = arch === undefined ? explainers : explainers.filter(({ id }) => id === arch);
  if (those.length > 0) return those;
  throw new KpkeysError("ERR_USAGE", `there is no architecture '${arch!}'`, { expected: listIds(explainers) });
}

/** The architecture that is asked for, or else the one that all inputs belong to. */
function choose(those: readonly Explainer[], arch: string | undefined, question: ExplainQuestion): Explainer {
  if ("vector" in question) {
    const kind = question.vector["arch"];
    const told = kind === undefined ? "missing" : JSON.stringify(kind);
    const found = those.find(({ tools }) => vectorArches(tools).some((name) => name === kind));
    if (found !== undefined) return found;
    const kinds = those.flatMap(({ tools }) => vectorArches(tools));
    throw refuse(`the vector's field 'arch' is ${told}`, kinds.join(" or "));
  }
  // Inputs that an architecture asked for does not have are its own to refuse.
  if (arch !== undefined) return those[0]!;
  const names = Object.keys(question.inputs);
  const fitting = those.filter((each) => names.every((name) => ownersOf(name, those).includes(each)));
  if (fitting.length === 1) return fitting[0]!;
  if (fitting.length > 1) throw refuse("the inputs do not tell the architecture", "a register's value, or --arch");
  const told = names.map((name) => `--${name} (${listIds(ownersOf(name, those))})`);
  throw refuse(`the inputs are not of one architecture: ${told.join(", ")}`, "those of one");
}

function listIds(explainers: readonly Explainer[]): string {
  return explainers.map(({ id }) => id).join(" or ");
}

function refuse(what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_EXPLAIN_INPUT", what, { expected });
}
