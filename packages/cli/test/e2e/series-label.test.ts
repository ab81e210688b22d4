import { describe, expect, test } from "vitest";
import { NEXT_LABEL } from "@kpkeys/scenarios";
import { kpkeys } from "./kpkeys.js";

const SMALL = ["--arch", "arm64-poe", "--memory", "256MiB"];

describe("the series next is labelled in the text of", () => {
  test.each([
    ["run", ...SMALL, "--policy", "batched"],
    ["run", ...SMALL, "--policy", "batched", "--series", "v9,next"],
    ["attack", ...SMALL],
    ["kunit", ...SMALL, "--series", "v9,next"],
    ["show", "--arch", "arm64-poe"],
    ["museum", "--arch", "arm64-poe"],
    ["museum", "--id", "irq-exit-lazy-paused"],
  ])("kpkeys %s %s %s", (...args) => {
    const { status, stdout } = kpkeys(...args);
    expect(status).toBe(0);
    expect(stdout).toMatch(/\bnext\b/);
    expect(stdout).toContain(NEXT_LABEL);
  });
});
