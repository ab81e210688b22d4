import { createContainer, KpkeysError, resolve } from "@kpkeys/core";
import { ExtensionPoints } from "@kpkeys/core/contracts";
import type { KunitTest } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { countResults, runSuites } from "../src/index.js";
import type { CaseResult, MachineUnderTest } from "../src/index.js";

const container = createContainer();
const machine: MachineUnderTest = { get: (token) => resolve(container, token) };

function runOne(run: (test: KunitTest) => void): CaseResult {
  return runSuites(machine, [{ name: "suite", cases: [{ name: "case", run }] }])[0]!.cases[0]!;
}

describe("a case", () => {
  it("continues after a failed expectation", () => {
    const { status, log } = runOne((test) => {
      test.expectEq(0, -14, "Direct pud write wasn't prevented");
      test.expectEq(0, -14, "Direct pmd write wasn't prevented");
      test.expectEq(-14, -14, "Direct pte write wasn't prevented");
    });
    expect(status).toBe("failed");
    expect(log).toEqual([
      "EXPECTATION FAILED: Direct pud write wasn't prevented",
      "expected left == right, but left is 0 and right is -14",
      "EXPECTATION FAILED: Direct pmd write wasn't prevented",
      "expected left == right, but left is 0 and right is -14",
    ]);
  });

  it("ends at a failed assertion", () => {
    for (const assert of [
      (test: KunitTest) => {
        test.assertEq(-1, 0, "message");
      },
      (test: KunitTest) => {
        test.assertNe(-1, -1, "message");
      },
    ]) {
      const { status, log } = runOne((test) => {
        test.log("before");
        assert(test);
        test.log("after");
      });
      expect(status).toBe("failed");
      expect(log.slice(0, 2)).toEqual(["before", "ASSERTION FAILED: message"]);
      expect(log).not.toContain("after");
    }
  });

  it("passes if its assertions are true", () => {
    const { status } = runOne((test) => {
      test.assertEq(1, 1, "equal");
      test.assertNe(1, 2, "not equal");
    });
    expect(status).toBe("passed");
  });

  it("ends at a skip, with the reason", () => {
    const result = runOne((test) => {
      test.skip("kpkeys are not supported");
    });
    expect(result).toMatchObject({ status: "skipped", skipReason: "kpkeys are not supported" });
  });

  it("fails if it fails before a skip", () => {
    const { status } = runOne((test) => {
      test.expectEq(1, 2, "message");
      test.skip("reason");
    });
    expect(status).toBe("failed");
  });

  it("runs its clean-ups at its end, in reverse order, for every result", () => {
    for (const end of [
      () => undefined,
      (test: KunitTest) => {
        test.assertEq(1, 2, "assertion");
      },
      () => {
        throw new KpkeysError("ERR_KERNEL_FAULT", "fault");
      },
    ]) {
      const order: string[] = [];
      runOne((test) => {
        test.defer(() => order.push("first"));
        test.defer(() => order.push("second"));
        end(test);
      });
      expect(order).toEqual(["second", "first"]);
    }
  });

  it("fails if the machine takes a fault, also in a clean-up", () => {
    const fault = (): never => {
      throw new KpkeysError("ERR_KERNEL_FAULT", "write to read-only memory");
    };
    expect(runOne(fault)).toMatchObject({ status: "failed", log: ["try faulted: write to read-only memory"] });
    const result = runOne((test) => {
      test.defer(fault);
    });
    expect(result.status).toBe("failed");
  });

  it("fails if it returns a promise: its expectations come after the result", () => {
    const late = (async (test: KunitTest) => {
      await Promise.resolve();
      test.expectEq(1, 2, "never seen");
    }) as unknown as (test: KunitTest) => void;
    expect(runOne(late)).toMatchObject({ status: "failed" });
  });

  it("fails if it resolves a contract that the machine lacks", () => {
    const { status, log } = runOne((test) => test.get(ExtensionPoints));
    expect(status).toBe("failed");
    expect(log[0]).toContain("@kpkeys/core:ExtensionPoints");
  });
});

describe("suites", () => {
  it("are counted by the results of their cases", () => {
    const cases = [
      { name: "a", run: () => undefined },
      { name: "b", run: (test: KunitTest) => test.skip("reason") },
      {
        name: "c",
        run: (test: KunitTest) => {
          test.expectEq(1, 2, "message");
        },
      },
    ];
    const suite = { name: "suite", cases };
    expect(countResults(runSuites(machine, [suite, suite]))).toEqual({ passed: 2, failed: 2, skipped: 2 });
  });
});
