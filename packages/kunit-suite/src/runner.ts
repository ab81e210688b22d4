import type { KunitCase, KunitSuite, KunitTest } from "@kpkeys/core/contracts";
import { suitesOf } from "./suites.js";
import type { MachineUnderTest } from "./suites.js";

/** What came of a case. */
export interface CaseResult {
  /** The name of the kernel's function. */
  readonly name: string;
  /** A case fails when one expectation or assertion does, or when the machine takes a fault that nothing handles. */
  readonly status: "passed" | "failed" | "skipped";
  /** Why it was skipped, in the kernel's words. */
  readonly skipReason?: string;
  /** Its diagnostic lines, in the order in which they came. */
  readonly log: readonly string[];
}

/** What came of a suite. */
export interface SuiteResult {
  /** The name that KUnit prints. */
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

/** Ends a case early; never leaves {@link runCase}. */
class EndOfCase extends Error {}

/**
 * Runs suites on a machine, one case after the other, as KUnit does: a failed expectation goes on, a failed assertion ends its
 * case, and clean-ups run at the end of a case whatever came of it.
 *
 * @param machine - the machine under test
 * @param suites - what to run; all of {@link suitesOf} unless given
 * @returns what came of each
 */
export function runSuites(
  machine: MachineUnderTest,
  suites: readonly KunitSuite[] = suitesOf(machine),
): readonly SuiteResult[] {
  return suites.map(({ name, cases }) => ({ name, cases: cases.map((each) => runCase(machine, each)) }));
}

/**
 * Counts cases.
 *
 * @param suites - results of {@link runSuites}
 * @returns how many cases passed, failed and were skipped
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

  /** A fault of the machine, or a mistake in the case: KUnit's try-catch notes both as a failure of the case. */
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
    kunitCase.run(test);
  });
  while (cleanUps.length > 0) tryRun(cleanUps.pop()!);

  if (end.failed) return { name, status: "failed", log };
  const { skipReason } = end;
  return skipReason === undefined ? { name, status: "passed", log } : { name, status: "skipped", skipReason, log };
}
