import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { checkRule, failureText, rulesFor } from "@kpkeys/kunit-suite/conformance";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";
import { BROKEN_ARCHES } from "./broken/arches.js";
import { BROKEN_FEATURES } from "./broken/features.js";

const LISTS = [
  ["arch", BROKEN_ARCHES, { arches: [], features: [pgtablesHardening] }],
  ["feature", BROKEN_FEATURES, { arches: [arm64Poe, x86Pks], features: [] }],
] as const;

describe.each(LISTS)("a broken %s fails the kit by the name of the rule", (kind, list, others) => {
  it.each(list)("$rule: $how", async ({ rule: id, plugin, package: own }) => {
    const rule = rulesFor(kind).find((each) => each.id === id)!;
    const result = await checkRule(rule, { ...others, ...own, plugin });
    expect(result).toMatchObject({ rule: id, status: "failed" });
    expect(failureText(result)).toMatch(`${id}: ${rule.sentence}`);
    expect(result.findings[0]).not.toBe("");
  });

  it("by every rule there is", () => {
    expect(list.map(({ rule }) => rule)).toEqual(rulesFor(kind).map(({ id }) => id));
  });
});
