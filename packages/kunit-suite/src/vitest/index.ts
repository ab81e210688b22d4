/**
 * The conformance kit under vitest.
 *
 * @module @kpkeys/kunit-suite/vitest
 */
import { describe, test } from "vitest";
import type { Plugin } from "@kpkeys/core/contracts";
import { checkRule, failureText, rulesFor } from "../conformance/index.js";
import type { ConformanceSubject, KnownErrors } from "../conformance/index.js";

/** Time limit of a rule in milliseconds. Some rules boot several machines. */
const TIMEOUT = 60_000;

/**
 * Declares a test for each rule of a plugin's kind. A rule that found nothing to judge fails. Call it in a test file.
 *
 * ```js
 * import { defineConformance } from "@kpkeys/kunit-suite/vitest";
 * import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
 * import * as own from "./index.js";
 *
 * defineConformance(own.riscvPkr, { features: [pgtablesHardening], exports: own });
 * ```
 *
 * @param plugin - the architecture or feature
 * @param others - the other plugins that its rules need, the exports and the files of its package
 */
export function defineConformance(plugin: Plugin, others: Partial<Omit<ConformanceSubject, "plugin">> = {}): void {
  const subject: ConformanceSubject = { arches: [], features: [], ...others, plugin };
  const known: KnownErrors = new Map();
  describe(`${plugin.id} conforms`, () => {
    for (const rule of rulesFor(plugin.kind)) {
      test(`${rule.id}: ${rule.sentence}`, { timeout: TIMEOUT }, async (context) => {
        const result = await checkRule(rule, subject, known);
        if (result.status === "skipped") context.skip(result.reason);
        if (result.status !== "ok") throw new Error(failureText(result));
      });
    }
  });
}
