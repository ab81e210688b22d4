import { type Command, Option } from "../commander.js";
import { KpkeysError } from "@kpkeys/core";
import type { ExplainQuestion } from "@kpkeys/core/contracts";
import { loadExplainers } from "../explain/explainers.js";
import type { Explainer } from "../explain/explainers.js";
import { readVectorArgument } from "../explain/vector-argument.js";
import { EXIT } from "../errors.js";
import { listOf } from "../options.js";
import { ARCHES, DEFAULT_FEATURES, FEATURES } from "../plugins.js";
import type { FeatureId } from "../plugins.js";
import { explanationTextOf } from "../report/explanation.js";
import type { ExplainReport } from "../report/explanation.js";
import { styleFor } from "../report/style.js";
import { print, printJson } from "./print.js";

/** The flags that are not inputs of an architecture. */
interface ExplainFlags {
  /** Id of an architecture. */
  readonly arch?: string;
  /** What the kernel protects. */
  readonly feature: readonly FeatureId[];
  /** Table entries from the root down, separated by blanks or commas. */
  readonly entries?: readonly string[];
  /** A vector, or where one stands. */
  readonly vector?: string;
  /** Whether the result is printed as JSON. */
  readonly json?: true;
}

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
 * @param finish - takes the exit status
 */
export async function prepareExplain(command: Command, finish: (status: number) => void): Promise<void> {
  const explainers = await loadExplainers(DEFAULT_FEATURES);
  command
    .option("--arch <id>", `architecture (${Object.keys(ARCHES).join(", ")}), if the inputs do not tell`)
    .option("--vector <json|file:line>", "a line of an architectural vector file, instead of all else")
    .option("--entries <entry...>", "table entries from the root down, the leaf last")
    .addOption(
      new Option("--feature <id,...>", "what the kernel protects, which decides on its keys and contexts")
        .argParser(listOf("feature", FEATURES))
        .default(DEFAULT_FEATURES, DEFAULT_FEATURES.join(",")),
    )
    .option("--json", "print one JSON document and nothing else");
  const inputs = addInputs(command, explainers);
  command.action(async (flags: ExplainFlags & Record<string, unknown>) => {
    const given = inputs.flatMap(({ name, attribute }) => {
      const value = flags[attribute];
      return typeof value === "string" ? [[name, value] as const] : [];
    });
    finish(await explain(await loadExplainers(flags.feature), flags, Object.fromEntries(given)));
  });
}

/** A flag for each input, under the heading of its architecture; what several have stands under one of its own. */
function addInputs(command: Command, explainers: readonly Explainer[]): InputFlag[] {
  const flags: InputFlag[] = [];
  for (const { tools } of explainers) {
    for (const { name, label, description, required } of tools.explainInputs) {
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
  return explainers.filter(({ tools }) => tools.explainInputs.some((input) => input.name === name));
}

/** `kpkeys explain`: why an access faults. */
async function explain(
  explainers: readonly Explainer[],
  flags: ExplainFlags,
  inputs: Readonly<Record<string, string>>,
): Promise<number> {
  const question = await questionOf(flags, inputs);
  const { id, tools, kernel } = choose(explainers, flags.arch, question);
  const report: ExplainReport = { arch: id, ...tools.explain(question, kernel) };
  if (flags.json === true) printJson(report);
  else print(explanationTextOf(report, styleFor(process.stdout)));
  return report.verdict.agrees ? EXIT.GOOD : EXIT.FAILED;
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

/** The architecture that is asked for, or else the one that all inputs belong to. */
function choose(explainers: readonly Explainer[], arch: string | undefined, question: ExplainQuestion): Explainer {
  const those = arch === undefined ? explainers : explainers.filter(({ id }) => id === arch);
  if (those.length === 0) {
    throw new KpkeysError("ERR_USAGE", `there is no architecture '${arch!}'`, { expected: listIds(explainers) });
  }
  if ("vector" in question) {
    const kind = question.vector["arch"];
    const told = kind === undefined ? "missing" : JSON.stringify(kind);
    const found = those.find(({ tools }) => tools.vectorArches.some((name) => name === kind));
    if (found !== undefined) return found;
    const kinds = those.flatMap(({ tools }) => tools.vectorArches);
    throw refuse(`the vector's field 'arch' is ${told}`, kinds.join(" or "));
  }
  // Inputs that an architecture asked for does not have are its own to refuse.
  if (arch !== undefined) return those[0]!;
  const names = Object.keys(question.inputs);
  const fitting = those.filter((each) => names.every((name) => ownersOf(name, those).includes(each)));
  if (fitting.length === 1) return fitting[0]!;
  if (fitting.length > 1) throw refuse("the inputs do not tell the architecture", "a register's value, or --arch");
  const told = names.map((name) => `--${name} (${listIds(ownersOf(name, explainers))})`);
  throw refuse(`the inputs are not of one architecture: ${told.join(", ")}`, "those of one");
}

function listIds(explainers: readonly Explainer[]): string {
  return explainers.map(({ id }) => id).join(" or ");
}

function refuse(what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_EXPLAIN_INPUT", what, { expected });
}
