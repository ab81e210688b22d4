import { describe, expect, test } from "vitest";
import { kpkeys, LONG } from "./kpkeys.js";

describe("kpkeys bench", () => {
  test.each([
    ["a figure that there is not", ["bench", "walk-warm"], /^kpkeys: ERR_USAGE: there is no figure 'walk-warm'/],
    ["no earlier document", ["bench", "--against", "nowhere.json"], /^kpkeys: ERR_INPUT_MISSING: nowhere.json: /],
    ["a document without figures", ["bench", "--against", "package.json"], /^kpkeys: ERR_INPUT_KIND: package.json: /],
  ])("%s is bad usage", { timeout: LONG }, (_what, args, told) => {
    const { status, stderr } = kpkeys(...args);
    expect(status).toBe(2);
    expect(stderr).toMatch(told);
  });
});
