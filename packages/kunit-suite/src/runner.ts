import type { KunitCase, KunitSuite, KunitTest } from "@kpkeys/core/contracts";
import { suitesOf } from "./suites.js";
import type { MachineUnderTest } from "./suites.js";

/** The result of a case. */
export interface CaseResult {
  /** The name of the function in the kernel. */
  readonly name: string;
  /** A case fails if an expectation or assertion fails, or if the machine takes an unhandled fault. */
  readonly status: "passed" | "failed" | "skipped";
  /** The reason for skipping it, as the kernel prints it. */
  readonly skipReason?: string;
  /** Its diagnostic lines, in order. */
  readonly log: readonly string[];
}

/** The result of a suite. */
export interface SuiteResult {
  /** Its name. */
  readonly name: string;
  /** Its cases, in the order in which they ran. */
  readonly cases: readonly CaseResult[];
}

/** Numbers of cases. */
export interface KunitCounts {
  /** Passed. */
  readonly passed: number;
  /** Failed. */
  readonly failed: number;
  /** Skipped. */
  readonly skipped: number;
}

/** Ends a case early. {@link runCase} catches it. */
class EndOfCase extends Error {}

/**
 * Runs suites on a machine, one case after the other, as KUnit does: a case continues after a failed expectation and ends at a
 * failed assertion, and its clean-ups run after every result.
 *
 * @param machine - the machine under test
 * @param suites - the suites. Default: {@link suitesOf}
 * @returns the results, in the order of the suites
 */
export function runSuites(
  machine: MachineUnderTest,
  suites: readonly KunitSuite[] = suitesOf(machine),
): readonly SuiteResult[] {
  return suites.map(({ name, cases }) => ({ name, cases: cases.map((each) => runCase(machine, each)) }));
}

/**
 * Counts cases by status.
 *
 * @param suites - results of {@link runSuites}
 */
export function countResults(suites: readonly SuiteResult[]): KunitCounts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { cases } of suites) for (const { status } of cases) counts[status]++;
  return counts;
}

function runCase(machine: MachineUnderTest, kunitCase: KunitCase): CaseResult {
  const { name } = kunitCase;
  const log: string[] = [];
  const cleanUps: (() => void)[] = [];
  const end: { failed: boolean; skipReason?: string } = { failed: false };

  function fail(
    kind: "EXPECTATION" | "ASSERTION",
    message: string,
    left: number,
    relation: string,
    right: number,
  ): void {
    end.failed = true;
    log.push(
      `${kind} FAILED: ${message}`,
      `expected left ${relation} right, but left is ${left} and right is ${right}`,
    );
  }

  /** Runs a step. A fault of the machine or an exception of the case fails the case, as in KUnit's try-catch. */
  function tryRun(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (error instanceof EndOfCase) return;
      end.failed = true;
      log.push(`try faulted: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  const test: KunitTest = {
    get: (token) => machine.get(token),
    log: (line) => void log.push(line),
    skip(reason) {
      end.skipReason = reason;
      throw new EndOfCase();
    },
    expectEq(left, right, message) {
      if (left !== right) fail("EXPECTATION", message, left, "==", right);
    },
    assertEq(left, right, message) {
      if (left === right) return;
      fail("ASSERTION", message, left, "==", right);
      throw new EndOfCase();
    },
    assertNe(left, right, message) {
      if (left !== right) return;
      fail("ASSERTION", message, left, "!=", right);
      throw new EndOfCase();
    },
    assertNotNull(value, message) {
      if (value !== undefined) return;
      end.failed = true;
      log.push(`ASSERTION FAILED: ${message}`, "expected a value, but there is none");
      throw new EndOfCase();
    },
    defer: (action) => void cleanUps.push(action),
  };

  tryRun(() => {
    // A case returns nothing by contract; a plugin in JavaScript may return a promise.
    const run: (test: KunitTest) => unknown = kunitCase.run.bind(kunitCase);
    const result = run(test);
    if (!(result instanceof Promise)) return;
    // A later rejection would end the process.
    result.catch(() => undefined);
    throw new Error("the case returns a promise; expected one that is complete when it returns");
  });
  while (cleanUps.length > 0) tryRun(cleanUps.pop()!);

  if (end.failed) return { name, status: "failed", log };
  const { skipReason } = end;
  return skipReason === undefined ? { name, status: "passed", log } : { name, status: "skipped", skipReason, log };
}
