import { KpkeysError } from "@kpkeys/core";
import { applyChange, Access, FaultKind, Privilege, toLevel, toPfn, toPkey } from "@kpkeys/core/contracts";
import { fromWords } from "@kpkeys/core/machine";
import { describe, expect, test } from "vitest";
import { KPR, oddArch } from "../../../examples/odd-arch/src/index.js";
import { Explainer, explainInputs, OopsReader, vectorArches, VectorRunner } from "../src/index.js";
import type { Explanation } from "../src/index.js";

// The engine on the small example architecture; those of Linux are in packages/integration.

const explainer = new Explainer(oddArch, []);
const { explanation } = explainer.tools;
const LAST_LEVEL = 2;

/** A page of the kernel with key 1. */
function pageWithKey(protection: "PAGE_KERNEL" | "PAGE_KERNEL_RO"): string {
  const { format } = explanation;
  const leaf = format.makeLeaf(toLevel(LAST_LEVEL), toPfn(0x123), format.protections[protection]);
  const { high, low } = applyChange(leaf, format.pkeyChange(toPkey(1)));
  return fromWords(high, low).toString(16);
}

/** The syndrome of a store of the kernel. */
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

  test("is explained by the key, and the report agrees", () => {
    expect(explained.verdict).toMatchObject({ kind: "tables", result: "fault", decidedBy: "key", agrees: true });
    expect(textOf(explained, "key")).toContain("key 1");
    expect(textOf(explained, "assumed")).toContain("pgd and pmd were not given: assumed to withhold nothing");
    expect(explained.geometry).toEqual({ pageSize: 16384, vaBits: 47, levels: ["pgd", "pmd", "pte"] });
  });

  test("goes through with each of the changes that are named", () => {
    expect(explained.whatIfs.length).toBeGreaterThan(0);
    for (const { inputs: changes } of explained.whatIfs) {
      expect(explainer.explain({ inputs: { ...inputs, ...changes } }).verdict.result).toBe("ok");
    }
  });

  test("disagrees with a report of the entries' rights, and is decided by them where they deny it too", () => {
    const reported = { ...inputs, ksr: syndrome(FaultKind.PERMISSION) };
    expect(explainer.explain({ inputs: reported }).verdict).toMatchObject({ decidedBy: "key", agrees: false });
    const readOnly = { ...reported, pte: pageWithKey("PAGE_KERNEL_RO") };
    expect(explainer.explain({ inputs: readOnly }).verdict).toMatchObject({ decidedBy: "base", agrees: true });
  });
});

test("the inputs are the architecture's, the entries and the shape of the tables", () => {
  const names = explainInputs(explainer.tools).map(({ name }) => name);
  expect(names).toEqual(["ksr", "kar", "kpr", "ctrl", "pgd", "p4d", "pud", "pmd", "pte", "va-bits", "page-size"]);
});

/** The code of the error that something throws. */
function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof KpkeysError) return error.code;
    throw error;
  }
  return "none";
}

describe("an architecture without vectors and without forms of reports", () => {
  test("carries out no vector", () => {
    expect(vectorArches(explainer.tools)).toEqual([]);
    expect(codeOf(() => explainer.explain({ vector: { arch: "odd-arch" } }))).toBe("ERR_VECTOR_LINE");
    expect(codeOf(() => new VectorRunner(explainer.tools))).toBe("ERR_VECTOR_LINE");
  });

  test("has no report in a log", () => {
    const reader = new OopsReader([explainer]);
    reader.take("BUG: unable to handle page fault for address: ffff888100001000");
    expect(codeOf(() => reader.finish("log"))).toBe("ERR_EXPLAIN_NO_OOPS");
    expect(reader.lines).toBe(1);
  });
});
