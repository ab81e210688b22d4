// Judges what a CI stage wrote. `tests FILE`: prints the totals of vitest's JSON report on one plain line.
// `report FILE [EVENTS]`: holds the report of `kpkeys run --json` to everything keyed, every attack blocked, every
// KUnit case passed, and to that many events.
// `museum FILE`: holds `kpkeys museum --json` to every red side seen and no green one, and again by each replay string.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const [kind, file, events] = process.argv.slice(2);
const document = JSON.parse(readFileSync(file, "utf8"));
if (kind === "tests") tests(document);
else if (kind === "museum") museum(document);
else report(document, events);

function tests({ numPassedTests, numFailedTests, numPendingTests, numTodoTests, numPassedTestSuites }) {
  const skipped = numPendingTests + numTodoTests;
  console.log(`${numPassedTests} passed, ${numFailedTests} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  must(numPassedTests > 0 && numPassedTestSuites > 0, "tests ran");
}

function report({ trace, arches }, events) {
  console.log(`${trace.name}: ${trace.events} events, ${trace.processes} processes`);
  if (events !== undefined) must(trace.events === Number(events), `the trace has ${events} events`);
  must(arches.length === 2, "both architectures report");
  for (const { arch, coverage, kunit, attack, policies } of arches) {
    const { pages, keyed, readOnly, gaps } = coverage;
    console.log(
      `${arch}: ${pages} table pages, ${keyed} keyed, ${readOnly} read-only; ` +
        `${attack.blocked} of ${attack.tried} attacks blocked`,
    );
    must(pages > 0 && keyed + readOnly === pages, `${arch}: keyed + readOnly = pages`);
    must(gaps.length === 0, `${arch}: no gap in coverage`);
    must(attack.tried > 0 && attack.blocked === attack.tried, `${arch}: every attack is blocked`);
    must(kunit.passed === 5 && kunit.failed === 0, `${arch}: KUnit 5 passed, 0 failed`);
    const [naive, batched] = [policies.naive.registerWrites, policies.batched.registerWrites];
    must(0 < batched && batched <= naive, `${arch}: batching saves register writes`);
  }
}

function museum({ exhibits }) {
  for (const { id, sides } of exhibits) {
    for (const { arch, red, green } of sides) {
      must(red.seen && !green.seen, `${id}, ${arch}: red shows the bug and green does not`);
      for (const side of [red, green]) must(sameAgain(side), `${side.replay} comes out the same again`);
    }
  }
}

/** A separate process that has the string alone. */
function sameAgain({ replay, seen, evidence }) {
  const argv = ["packages/cli/bin/kpkeys.js", "museum", "--replay", replay, "--json"];
  const { stdout } = spawnSync(process.execPath, argv, { encoding: "utf8" });
  const again = JSON.parse(stdout);
  return again.seen === seen && again.evidence === evidence;
}

function must(holds, claim) {
  console.log(`${holds ? "ok" : "NOT OK"}: ${claim}`);
  if (!holds) process.exitCode = 1;
}
