// The mutants of an area: all that the operators of StrykerJS make, a sample of them by seed, and the sources in which the sample's can be
// switched on one at a time.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInstrumenter } from "@stryker-mutator/instrumenter";
import { createInjector } from "typed-inject";

const SILENT = Object.fromEntries(
  ["trace", "debug", "info", "warn", "error", "fatal"].flatMap((level) => [
    [level, () => undefined],
    [`is${level[0].toUpperCase()}${level.slice(1)}Enabled`, () => false],
  ]),
);

/** Errors that are made of a code and a sentence: tests hold the code, which is the first argument, and no sentence. */
const WORDS = ["KpkeysError", "KernelFault", "outOfMemory"];

/** Leaves out text for readers: the message of an error and the fields with words. */
const sentences = {
  shouldIgnore({ node, parentPath }) {
    const parent = parentPath?.node;
    const isCall = parent?.type === "NewExpression" || parent?.type === "CallExpression";
    if (!isCall || !WORDS.includes(parent.callee.name)) return undefined;
    const isCode = node.type === "StringLiteral" && node.value.startsWith("ERR_");
    return parent.arguments.includes(node) && !isCode ? "words of an error" : undefined;
  },
};

const OPTIONS = { plugins: null, excludedMutations: [], ignorers: [sentences], noHeader: false };

function instrument(files) {
  const instrumenter = createInjector()
    .provideValue("logger", SILENT)
    .provideValue("options", {})
    .injectFunction(createInstrumenter);
  return instrumenter.instrument(files, OPTIONS);
}

function keyOf({ fileName, location: { start, end }, mutatorName, replacement }) {
  return JSON.stringify([fileName, start.line, start.column, end.line, end.column, mutatorName, replacement]);
}

/** Numbers from 0 to 1 in an order that the seed decides (mulberry32). */
function randomNumbers(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The first `count` of a list that is shuffled by a seed. */
function sample(list, seed, count) {
  const shuffled = [...list];
  const next = randomNumbers(seed);
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j], shuffled[i]];
  }
  return shuffled.slice(0, count);
}

/**
 * Makes the mutants of an area and chooses some.
 * @param {string} root - the repository
 * @param {string} sources - folder of the area, relative to it
 * @param {number} seed - decides which are chosen
 * @param {number} count - how many
 * @returns how many there are, how many are words of errors and left out, the chosen ones and the files in which they can be switched on
 */
export async function makeMutants(root, sources, seed, count) {
  const files = readdirSync(join(root, sources), { recursive: true })
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".d.ts"))
    .sort()
    .map((name) => ({
      name: join(sources, name),
      content: readFileSync(join(root, sources, name), "utf8"),
      mutate: true,
    }));
  const { mutants: all } = await instrument(files);
  const made = all.filter(({ status }) => status !== "Ignored");
  const chosen = sample(made, seed, count);

  // Code that can be switched is slow: only where a chosen mutant is it is made so.
  const rangesOf = (file) => chosen.filter(({ fileName }) => fileName === file).map(({ location }) => location);
  const narrowed = files.map((file) => ({ ...file, mutate: rangesOf(file.name) }));
  const { files: switched, mutants } = await instrument(narrowed);
  const ids = new Map(mutants.map((mutant) => [keyOf(mutant), mutant.id]));
  const contents = new Map(files.map(({ name, content }) => [name, content.split("\n")]));
  return {
    made: made.length,
    ignored: all.length - made.length,
    chosen: chosen.map((mutant) => ({
      ...describe(mutant, contents.get(mutant.fileName)),
      id: ids.get(keyOf(mutant)),
    })),
    files: switched.filter(({ name }) => rangesOf(name).length > 0).map(({ name, content }) => ({ name, content })),
  };
}

/** A mutant as the result has it: where, what was there, what is there instead. */
function describe({ fileName, location: { start, end }, mutatorName, replacement }, lines) {
  const text = lines.slice(start.line, end.line + 1);
  text[text.length - 1] = text.at(-1).slice(0, end.column);
  text[0] = text[0].slice(start.column);
  const short = (code) => code.replace(/\s+/g, " ");
  return {
    file: fileName,
    line: start.line + 1,
    column: start.column + 1,
    operator: mutatorName,
    original: short(text.join("\n")),
    replacement: short(replacement),
  };
}
