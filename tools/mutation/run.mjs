// Mutation run of an area: npm run mutation -- --area kernel/mm --seed 1 --count 150 [--jobs 2]
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { AREAS } from "./areas.mjs";
import { Host, TIMEOUT } from "./hosts.mjs";
import { makeMutants } from "./mutants.mjs";
import { record, scoreOf } from "./summary.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** The score that an area must reach, in per cent. */
const REQUIRED = 85;

/** A mutant may reach its own place so many times as often as the code without it before that counts as a loop without end. */
const HIT_FACTOR = 20;

const { values } = parseArgs({
  options: {
    area: { type: "string" },
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "150" },
    jobs: { type: "string", default: "1" },
  },
});
if (!Object.hasOwn(AREAS, values.area ?? "")) {
  console.error(`--area: expected one of ${Object.keys(AREAS).join(", ")}`);
  process.exit(2);
}
const area = AREAS[values.area];
const [seed, count, jobs] = [values.seed, values.count, values.jobs].map(Number);

const folder = mkdtempSync(join(tmpdir(), "kpkeys-mutation-"));
try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function main() {
  const mutants = await makeMutants(ROOT, area.sources, seed, count);
  print(`${mutants.made} mutants in ${area.sources}, ${mutants.chosen.length} chosen by seed ${seed}`);

  const { reached, passing, seconds } = await reachedByTests(mutants.files);
  print(`the tests take ${seconds.toFixed(1)} s without a mutant`);

  const input = inputFile("mutants", mutants.files.map(withoutCoverage));
  const queue = mutants.chosen.map((mutant) => ({ mutant, ...reached(mutant.id) }));
  queue.sort((a, b) => Number(a.isolate) - Number(b.isolate));
  const judged = [];
  const total = queue.length;
  await Promise.all(Array.from({ length: jobs }, () => judgeAll(new Host(input), queue, judged, { total, passing })));

  const { made, ignored, chosen } = mutants;
  const order = new Map(chosen.map((mutant, i) => [mutant.id, i]));
  judged.sort((a, b) => order.get(a.id) - order.get(b.id));
  const result = {
    area: values.area,
    seed,
    made,
    ignored,
    mutants: judged.map((mutant) => ({ ...mutant, id: undefined })),
  };
  await record(result);
  report(result);
}

function report(result) {
  for (const { status, file, line, column, operator, original, replacement } of result.mutants) {
    if (status === "survived" || status === "unreached")
      console.log(`${status}: ${file}:${line}:${column} ${operator}: ${original} -> ${replacement}`);
  }
  const { percent, counts } = scoreOf(result);
  console.log(`${result.area}, seed ${result.seed}: ${percent.toFixed(1)} % (${JSON.stringify(counts)})`);
  if (percent < REQUIRED) process.exitCode = 1;
}

/**
 * Runs all tests without a mutant. Those that fail then (one that measures time, on a busy machine) judge none.
 * @returns how long they take, which pass, and what gives for a mutant the tests that reach it
 */
async function reachedByTests(files) {
  const host = new Host(inputFile("coverage", files));
  const run = await host.run({ isolate: true }, 3600);
  host.end();
  if (run === TIMEOUT || run.errors.length > 0) throw new Error(`the tests do not run: ${run.errors ?? run}`);

  const { modules } = run;
  const seconds = modules.reduce((sum, module) => sum + module.seconds, 0);
  const passes = ({ state }) => state === "passed";
  for (const { file, errors, tests } of modules) {
    const failed = tests.filter(({ state }) => state === "failed").map(({ name, error }) => `${name}: ${error}`);
    for (const what of [...errors, ...failed]) print(`fails without a mutant: ${relative(ROOT, file)}: ${what}`);
  }
  const passing = modules.flatMap(({ tests }) => tests.filter(passes).map(({ id }) => id));
  const isPassing = new Set(passing);
  function reached(id) {
    const found = [];
    let isolate = false;
    let hits = 0;
    for (const { file, seconds: duration, coverage, tests } of modules) {
      if (coverage === undefined) continue;
      const inTests = Object.entries(coverage.perTest).filter(([, counts]) => counts[id] > 0);
      const whileLoading = coverage.static[id] > 0;
      if (whileLoading) isolate = true;
      for (const [, counts] of inTests) hits = Math.max(hits, counts[id]);
      const all = whileLoading ? tests.map((test) => test.id) : inTests.map(([test]) => test);
      const ids = all.filter((test) => isPassing.has(test));
      if (ids.length > 0) found.push({ file, tests: ids, duration });
    }
    found.sort((a, b) => a.duration - b.duration);
    return { found, isolate, hitLimit: HIT_FACTOR * hits + 10_000 };
  }
  return { seconds, passing, reached };
}

/** Takes mutants off the queue until it is empty; then the tests must still pass without one. */
async function judgeAll(host, queue, judged, { total, passing }) {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    judged.push({ ...next.mutant, ...(await judge(host, next)) });
    if (judged.length % 25 === 0) print(`${judged.length} of ${total}`);
  }
  const task = { active: "none", hitLimit: 1e9, tests: passing };
  mustPass(await host.run({ isolate: false, task }, 1800), "after the mutants");
  host.end();
}

/** @returns killed, by which test; timeout; survived; or unreached, where no test comes by */
async function judge(host, { mutant, found, isolate, hitLimit }) {
  if (found.length === 0) return { status: "unreached" };
  const task = { active: mutant.id, hitLimit, tests: found.flatMap(({ tests }) => tests) };
  const expected = found.reduce((sum, { duration }) => sum + duration, 0);
  const answer = await host.run({ files: found.map(({ file }) => file), isolate, task }, 30 + 10 * expected);
  if (answer === TIMEOUT) return { status: "timeout" };
  const failed = answer.modules.flatMap(({ file, tests, errors, ok }) => [
    ...tests.filter(({ state }) => state === "failed").map((test) => ({ file, ...test })),
    ...(ok || errors.length === 0 ? [] : [{ file, name: "the file itself", error: errors[0] }]),
  ])[0];
  if (failed === undefined && answer.errors.length === 0) return { status: "survived" };
  if (failed?.error?.includes("Hit count limit reached")) return { status: "timeout" };
  return { status: "killed", by: failed && `${relative(ROOT, failed.file)}: ${failed.name}` };
}

function mustPass(run, when) {
  const failed = run === TIMEOUT ? ["no end"] : [...run.errors, ...run.modules.filter(({ ok }) => !ok).map(describe)];
  if (failed.length > 0) throw new Error(`the tests fail ${when}: ${failed.join("; ")}`);
}

function describe({ file, errors, tests }) {
  return `${file}: ${[...errors, ...tests.filter(({ state }) => state === "failed").map(({ name, error }) => `${name}: ${error}`)].join(", ")}`;
}

function withoutCoverage({ name, content }) {
  return { name, content: content.replace(/stryCov_9fa48\("[^)]*\)/g, "0") };
}

function inputFile(name, instrumented) {
  const { project, tests = ["test/**/*.test.ts"] } = area;
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify({ root: ROOT, project, tests, instrumented }));
  return file;
}

function print(text) {
  console.error(text);
}
