// A process that keeps vitest warm: it gets a mutant at a time from the parent and reports whether a test fails. The parent ends it when a
// mutant does not come to an end.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createVitest } from "vitest/node";

const CONDITIONS = ["@kpkeys/source", "module", "node", "development|production"];

const { root, project, tests, instrumented } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const contents = new Map(instrumented.map(({ name, content }) => [join(root, name), content]));

const switched = { name: "mutants", enforce: "pre", load: (id) => contents.get(id) };

const open = (isolate) =>
  createVitest(
    "test",
    {
      config: false,
      root: join(root, project),
      watch: false,
      include: tests,
      setupFiles: [fileURLToPath(new URL("setup.mjs", import.meta.url))],
      pool: "threads",
      maxWorkers: 1,
      fileParallelism: false,
      isolate,
      // A busy machine kills no mutant.
      testTimeout: 0,
      hookTimeout: 0,
      reporters: [{}],
      printConsoleTrace: false,
      silent: true,
    },
    {
      resolve: { conditions: CONDITIONS },
      ssr: { resolve: { conditions: CONDITIONS } },
      plugins: [switched],
      server: { watch: null },
    },
  );

const vitests = new Map();

async function run({ files, task, isolate }) {
  if (!vitests.has(isolate)) vitests.set(isolate, await open(isolate));
  const vitest = vitests.get(isolate);
  vitest.config.bail = task === undefined ? 0 : 1;
  vitest.provide("mutation", task);
  for (const { config } of vitest.projects) config.bail = vitest.config.bail;
  const specifications = await vitest.globTestSpecifications();
  const chosen = specifications.filter(({ moduleId }) => files === undefined || files.includes(moduleId));
  const order = ({ moduleId }) => files?.indexOf(moduleId) ?? 0;
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(
    chosen.sort((a, b) => order(a) - order(b)),
  );
  return { modules: testModules.map(resultOf), errors: unhandledErrors.map((error) => String(error?.stack ?? error)) };
}

function resultOf(module) {
  return {
    file: module.moduleId,
    ok: module.ok(),
    seconds: module.diagnostic().duration / 1000,
    coverage: module.meta().mutantCoverage,
    errors: module.errors().map(({ message }) => message),
    tests: [...module.children.allTests()].map((test) => ({
      id: test.id,
      name: test.fullName,
      state: test.result().state,
      error: test.result().errors?.[0]?.message,
    })),
  };
}

process.on("message", async (request) => {
  try {
    process.send({ result: await run(request) });
  } catch (error) {
    process.send({ failure: String(error?.stack ?? error) });
  }
});
process.send({ ready: true });
