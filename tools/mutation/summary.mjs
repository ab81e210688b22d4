// The record of the runs: results/*.json, and RESULT.md, which is made of them and of the reasons in survivors.json.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";

const here = (name) => new URL(name, import.meta.url);

/** @returns how many mutants ended how, and how many of a hundred were noticed */
export function scoreOf({ mutants }) {
  const counts = { killed: 0, timeout: 0, survived: 0, unreached: 0 };
  for (const { status } of mutants) counts[status]++;
  return { counts, percent: (100 * (counts.killed + counts.timeout)) / mutants.length };
}

/** Records a run. @param result - of one area and seed */
export async function record(result) {
  mkdirSync(here("results/"), { recursive: true });
  await write(`results/${result.area.replace("/", "-")}.seed-${result.seed}.json`, JSON.stringify(result));
  await writeSummary();
}

async function write(name, text) {
  const filepath = fileURLToPath(here(name));
  writeFileSync(filepath, await format(text, { ...(await resolveConfig(filepath)), filepath }));
}

async function writeSummary() {
  const reasons = JSON.parse(readFileSync(here("survivors.json"), "utf8"));
  const results = readdirSync(here("results"))
    .sort()
    .map((name) => JSON.parse(readFileSync(here(`results/${name}`), "utf8")));
  const lines = [
    "# Mutation runs",
    "",
    "Made by `npm run mutation`; the whole record is in `results/`. The operators are those of StrykerJS; what they would make of the words of",
    "errors is left out. A mutant whose loop does not end counts as noticed.",
    "",
    "| area | seed | mutants there are | judged | killed | no end | survived | not reached | score |",
    "| ---- | ---- | ----------------- | ------ | ------ | ------ | -------- | ----------- | ----- |",
    ...results.map(row),
    ...results.flatMap((result) => survivors(result, reasons)),
    "",
  ];
  await write("RESULT.md", lines.join("\n"));
}

function row(result) {
  const { counts, percent } = scoreOf(result);
  const { killed, timeout, survived, unreached } = counts;
  const cells = [result.area, result.seed, result.made, result.mutants.length, killed, timeout, survived, unreached];
  return `| ${cells.join(" | ")} | ${percent.toFixed(1)} % |`;
}

function survivors({ area, seed, mutants }, reasons) {
  const left = mutants.filter(({ status }) => status === "survived" || status === "unreached");
  return [
    "",
    `## Survivors of ${area}, seed ${seed}`,
    "",
    ...left.map((mutant) => `- ${describe(mutant)}: ${reasonFor(mutant, reasons)}`),
  ];
}

function describe({ file, line, original, replacement }) {
  return `\`${file.split("/").slice(-2).join("/")}:${line}\` ${code(original)} → ${code(replacement)}`;
}

/** Code for a line of Markdown, not too long. */
function code(text) {
  const short = text.length > 80 ? `${text.slice(0, 77)}...` : text;
  return `\`\`${short.includes("`") ? ` ${short} ` : short}\`\``;
}

function reasonFor({ file, original, replacement }, reasons) {
  const found = reasons.find(
    (one) => file.endsWith(one.file) && one.original === original && one.replacement === replacement,
  );
  return found?.reason ?? "not looked at yet";
}
