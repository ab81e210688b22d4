// Runs in vitest's worker before each test file: switches a mutant on, or notes which mutants each test reaches.
import fc from "fast-check";
import { afterAll, beforeEach, inject } from "vitest";

const task = inject("mutation");
const stryker = (globalThis.__stryker__ ??= {});

// The same inputs for every mutant; a failure is all that is asked, not the smallest.
fc.configureGlobal({ seed: 1, endOnFailure: true });

if (task === undefined) {
  let file;
  beforeEach((context) => {
    file = context.task.file;
    stryker.currentTestId = context.task.id;
  });
  afterAll(() => {
    stryker.currentTestId = undefined;
    Object.assign(file.meta, { mutantCoverage: stryker.mutantCoverage });
  });
} else {
  stryker.activeMutant = task.active;
  stryker.hitCount = 0;
  stryker.hitLimit = task.hitLimit;
  const tests = new Set(task.tests);
  beforeEach((context) => {
    stryker.hitCount = 0;
    if (!tests.has(context.task.id)) context.skip();
  });
}
