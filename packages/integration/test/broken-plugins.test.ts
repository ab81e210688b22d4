import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { checkConformance, checkRule, failureText, rulesFor } from "@kpkeys/kunit-suite/conformance";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";
import { oddArch } from "../../../examples/odd-arch/src/index.js";
import { BROKEN_ARCHES } from "./broken/arches.js";
import { BROKEN_FEATURES } from "./broken/features.js";
import { BROKEN_TOYS, GOOD_TOYS } from "./broken/objects.js";

const ARCHES = [arm64Poe, x86Pks];

const LISTS = [
  ["arch", BROKEN_ARCHES, { arches: [], features: [pgtablesHardening] }],
  ["feature", BROKEN_FEATURES, { arches: ARCHES, features: [] }],
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

describe("a feature with one bug", () => {
  it.each(GOOD_TOYS)("has none without it", async (plugin) => {
    const results = await checkConformance({ plugin, arches: [oddArch], features: [] });
    expect(results.filter(({ status }) => status !== "ok").map(({ rule }) => rule)).toEqual(["feature/imports"]);
  });

  it.each(BROKEN_TOYS)(
    "$rule, and no other rule, fails if $how",
    async ({ rule, plugin, status = "failed", names }) => {
      const results = await checkConformance({ plugin, arches: [oddArch], features: [] });
      expect(results.filter((each) => each.status === "failed").map((each) => each.rule)).toEqual(
        status === "failed" ? [rule] : [],
      );
      const result = results.find((each) => each.rule === rule)!;
      expect(result.status).toBe(status);
      expect(result.reason ?? result.findings.join()).toContain(names);
    },
  );

  it("that ends every check is reported once", async () => {
    const results = await checkConformance({ plugin: BROKEN_TOYS[0]!.plugin, arches: ARCHES, features: [] });
    const judged = results.filter(({ status }) => status !== "not judged").map(({ rule }) => rule);
    expect(judged).toEqual(["plugin/form", "feature/imports", "feature/boots"]);
    expect(results.filter(({ findings }) => findings.length > 0)).toHaveLength(1);
    expect(results.at(-1)!.reason).toContain("feature/boots");
  });

  it("is not judged without an architecture", async () => {
    const results = await checkConformance({ plugin: GOOD_TOYS[0]!, arches: [], features: [] });
    const judged = results.filter(({ status }) => status === "ok").map(({ rule }) => rule);
    expect(judged).toEqual(["plugin/form"]);
  });
});
