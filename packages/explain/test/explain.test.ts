import { applyChange, Access, FaultKind, Privilege, toLevel, toPfn, toPkey } from "@kpkeys/core/contracts";
import { fromWords } from "@kpkeys/core/machine";
import { describe, expect, test } from "vitest";
import { codeOf } from "../../core/test/code-of.js";
import { AMR, oddArch } from "../../../examples/odd-arch/src/index.js";
import { Explainer, explainInputs, OopsReader, vectorArches, VectorRunner } from "../src/index.js";
import type { Explanation } from "../src/index.js";

// The engine on the example architecture; packages/integration tests the architectures of Linux.

const explainer = new Explainer(oddArch, []);
const { explanation } = explainer.tools;
const LAST_LEVEL = 2;

/** A leaf of a kernel page with key 1. */
function pageWithKey(protection: "PAGE_KERNEL" | "PAGE_KERNEL_RO" | "PAGE_KERNEL_ROX"): string {
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
const READ_ONLY = fromWords(AMR.field(1, "r").high, 0).toString(16);

function textOf({ reasons }: Explanation, topic: string): string {
  return reasons.flatMap((reason) => (reason.topic === topic ? [reason.text] : [])).join("\n");
}

describe("a store that a key denies", () => {
  const inputs = {
    ksr: syndrome(FaultKind.PKEY),
    kar: "123456780000",
    amr: READ_ONLY,
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

describe("a fetch that a key denies in the register for fetches", () => {
  const iamr = fromWords(AMR.field(1, "rw").fetch!.high, 0).toString(16);
  const ksr = (FaultKind.PKEY | (LAST_LEVEL << 4) | (Access.FETCH << 8) | (Privilege.KERNEL << 12)).toString(16);
  const inputs = { ksr, kar: "123456780000", amr: "0", iamr, pte: pageWithKey("PAGE_KERNEL_ROX") };
  const explained = explainer.explain({ inputs });

  test("is decided by the key, as reported, and by that register alone", () => {
    expect(explained.verdict).toMatchObject({ result: "fault", decidedBy: "key", agrees: true });
    expect(textOf(explained, "key")).toContain(`IAMR 0x${iamr} makes it not executable`);
    const open = explainer.explain({ inputs: { ...inputs, amr: READ_ONLY, iamr: "0" } });
    expect(open.verdict.result).toBe("ok");
  });

  test("succeeds with a change of that register", () => {
    const changes = explained.whatIfs.map(({ inputs: changed }) => changed["iamr"]);
    expect(changes).toContain("0x0");
    for (const { inputs: changed } of explained.whatIfs) {
      expect(explainer.explain({ inputs: { ...inputs, ...changed } }).verdict.result).toBe("ok");
    }
  });
});

test("the inputs are the architecture's, the entries and the geometry of the tables", () => {
  const names = explainInputs(explainer.tools).map(({ name }) => name);
  expect(names).toEqual([
    "ksr",
    "kar",
    "amr",
    "iamr",
    "ctrl",
    "pgd",
    "p4d",
    "pud",
    "pmd",
    "pte",
    "va-bits",
    "page-size",
  ]);
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
