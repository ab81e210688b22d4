// npm run bench -- [NAME...] [--json]
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { KpkeysError } from "@kpkeys/core";
import type { Figure } from "./figure.js";
import { FIGURES, figureNamed } from "./figures/index.js";
import { startReference } from "./reference.js";
import { textOf } from "./report.js";
import { measureFigures, ROUNDS } from "./rounds.js";

interface CommandLine {
  /** The figures that are measured. */
  readonly figures: readonly Figure[];
  /** Whether the result is printed as JSON. */
  readonly json: boolean;
}

function readCommandLine(args: readonly string[]): CommandLine {
  const { positionals: names, tokens } = parseArgs({ args: [...args], strict: false, tokens: true });
  const options = tokens.flatMap((token) => (token.kind === "option" ? token.rawName : []));
  const stray = options.find((option) => option !== "--json");
  if (stray !== undefined) throw new KpkeysError("ERR_USAGE", `unknown option ${stray}`, { expected: "--json" });
  const figures = names.map((name) => {
    const named = figureNamed(name);
    if (named !== undefined) return named;
    const expected = `some of ${FIGURES.map((each) => each.name).join(", ")}`;
    throw new KpkeysError("ERR_USAGE", `unknown figure '${name}'`, { expected });
  });
  return { figures: figures.length > 0 ? figures : FIGURES.filter(({ byName }) => !byName), json: options.length > 0 };
}

async function run({ figures, json }: CommandLine): Promise<void> {
  const reference = await startReference();
  const results = await measureFigures(figures, reference, (round) => {
    process.stderr.write(`bench: ${round}\n`);
  });
  if (!("missing" in reference)) reference.stop();
  const machine = { cpu: cpus()[0]?.model ?? "not known", node: process.version };
  const report = { machine, rounds: ROUNDS, figures: results };
  process.stdout.write(json ? `${JSON.stringify(report, null, 2)}\n` : textOf(report));
}

try {
  await run(readCommandLine(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof KpkeysError)) throw error;
  process.stderr.write(`bench: ${error.code}: ${error.message}\n`);
  process.exitCode = 2;
}
