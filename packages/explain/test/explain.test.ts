import { applyChange, Access, FaultKind, Privilege, toLevel, toPfn, toPkey } from "@kpkeys/core/contracts";
import { fromWords } from "@kpkeys/core/machine";
import { describe, expect, test } from "vitest";
import { codeOf } from "../../core/test/code-of.js";
import { KPR, oddArch } from "../../../examples/odd-arch/src/index.js";
import { Explainer, explainInputs, OopsReader, vectorArches, VectorRunner } from "../src/index.js";
import type { Explanation } from "../src/index.js";

// The engine on the example architecture; packages/integration tests the architectures of Linux.

const explainer = new Explainer(oddArch, []);
const { explanation } = explainer.tools;
const LAST_LEVEL = 2;

/** A leaf of a kernel page with key 1. */
function pageWithKey(protection: "PAGE_KERNEL" | "PAGE_KERNEL_RO"): string {
  const { format } = explanation;
  const leaf = format.makeLeaf(toLevel(LAST_LEVEL), toPfn(0x123), format.protections[protection]);
  const { high, low } = applyChange(leaf, format.entryKeys!.pkeyChange(toPkey(1)));
  return fromWords(high, low).toString(16);
}

/** The syndrome of a kernel store. */
function syndrome(kind: FaultKind): string {
  return (kind | (LAST_LEVEL << 4) | (Access.WRITE << 8) | (Privilege.KERNEL << 12)).toString(16);
}

/** The key register with key 1 read-only. */
const READ_ONLY = `${KPR.field(1, "r").high.toString(16)}00000000`;

function textOf({ reasons }: Explanation, topic: string): string {
  return reasons.flatMap((reason) => (reason.topic === topic ? [reason.text] : [])).join("\n");
}

describe("a store that a key denies", () => {
  const inputs = {
    ksr: syndrome(FaultKind.PKEY),
    kar: "123456780000",
    kpr: READ_ONLY,
    pte: pageWithKey("PAGE_KERNEL"),
  };
  const explained = explainer.explain({ inputs });

  test("is decided by the key, as reported", () => {
    expect(explained.verdict).toMatchObject({ kind: "tables", result: "fault", decidedBy: "key", agrees: true });
    expect(textOf(explained, "key")).toContain("key 1");
    expect(textOf(explained, "assumed")).toContain("pgd and pmd were not given: assumed to deny nothing");
    expect(explained.geometry).toEqual({ pageSize: 16384, vaBits: 47, levels: ["pgd", "pmd", "pte"] });
  });

  test("succeeds with each listed change", () => {
    expect(explained.whatIfs.length).toBeGreaterThan(0);
    for (const { inputs: changes } of explained.whatIfs) {
      expect(explainer.explain({ inputs: { ...inputs, ...changes } }).verdict.result).toBe("ok");
    }
  });

  test("does not match a report of a permission fault, unless the entries deny it too", () => {
    const reported = { ...inputs, ksr: syndrome(FaultKind.PERMISSION) };
    expect(explainer.explain({ inputs: reported }).verdict).toMatchObject({ decidedBy: "key", agrees: false });
    const readOnly = { ...reported, pte: pageWithKey("PAGE_KERNEL_RO") };
    expect(explainer.explain({ inputs: readOnly }).verdict).toMatchObject({ decidedBy: "base", agrees: true });
  });
});

test("the inputs are the architecture's, the entries and the geometry of the tables", () => {
  const names = explainInputs(explainer.tools).map(({ name }) => name);
  expect(names).toEqual(["ksr", "kar", "kpr", "ctrl", "pgd", "p4d", "pud", "pmd", "pte", "va-bits", "page-size"]);
});

describe("an architecture without vectors and report forms", () => {
  test("runs no vector", () => {
    expect(vectorArches(explainer.tools)).toEqual([]);
    expect(codeOf(() => explainer.explain({ vector: { arch: "odd-arch" } }))).toBe("ERR_VECTOR_LINE");
    expect(codeOf(() => new VectorRunner(explainer.tools))).toBe("ERR_VECTOR_LINE");
  });

  test("finds no report in a log", () => {
    const reader = new OopsReader([explainer]);
    reader.push("BUG: unable to handle page fault for address: ffff888100001000");
    expect(codeOf(() => reader.finish("log"))).toBe("ERR_EXPLAIN_NO_OOPS");
    expect(reader.lines).toBe(1);
  });
});
