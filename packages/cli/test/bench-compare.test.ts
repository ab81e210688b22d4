import { expect, test } from "vitest";
import { regressionsOf } from "../src/bench/compare.js";
import type { FigureResult } from "../src/bench/measure.js";

function figure(nsPerOperation: number, rest: Partial<FigureResult> = {}): FigureResult {
  return {
    name: "tlb-hit-load",
    operation: "a load",
    arch: "arm64-poe",
    nsPerOperation,
    operationsPerSecond: 1e9 / nsPerOperation,
    ratioToC: null,
    baseline: null,
    ratioToBaseline: null,
    spread: 0,
    instructions: null,
    ...rest,
  };
}

test("a figure is worse when it is slower by more than a quiet machine's noise", () => {
  expect(regressionsOf([figure(10)], [figure(12.9)])).toEqual([]);
  expect(regressionsOf([figure(10)], [figure(13.1)])).toEqual([
    { name: "tlb-hit-load", arch: "arm64-poe", by: "time", factor: 1.31, allowed: 1.3 },
  ]);
});

test("a noisy measurement must be worse by more than its own noise", () => {
  expect(regressionsOf([figure(10, { spread: 0.3 })], [figure(20, { spread: 0.3 })])).toEqual([]);
  expect(regressionsOf([figure(10, { spread: 0.3 })], [figure(23, { spread: 0.3 })])).toHaveLength(1);
});

test("where both have a ratio to C it decides, so that a slower machine is no regression", () => {
  expect(regressionsOf([figure(10, { ratioToC: 2 })], [figure(40, { ratioToC: 2 })])).toEqual([]);
  expect(regressionsOf([figure(10, { ratioToC: 2 })], [figure(10, { ratioToC: 3 })])).toHaveLength(1);
});

test("where instructions were counted in both they decide, whatever the time was", () => {
  const before = figure(10, { spread: 0.4, instructions: 1e6, ratioToC: 2 });
  expect(regressionsOf([before], [figure(30, { spread: 0.4, instructions: 1.09e6, ratioToC: 6 })])).toEqual([]);
  expect(regressionsOf([before], [figure(10, { spread: 0.4, instructions: 1.2e6, ratioToC: 2 })])).toEqual([
    { name: "tlb-hit-load", arch: "arm64-poe", by: "instructions", factor: 1.2, allowed: 1.1 },
  ]);
  expect(regressionsOf([before], [figure(10, { ratioToC: 2 })])).toEqual([]);
});

test("figures that only one of the two has are not compared", () => {
  expect(regressionsOf([figure(1, { arch: "x86-pks" })], [figure(100), figure(100, { name: "walk-hot" })])).toEqual([]);
});
