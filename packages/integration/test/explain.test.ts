import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { KpkeysError } from "@kpkeys/core";
import { FaultKind } from "@kpkeys/core/contracts";
import type { Vector } from "@kpkeys/core/contracts";
import type { DecidingRule, Explainer, ExplainQuestion } from "@kpkeys/explain";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { arm64, textOf, x86 } from "./explainers.js";
import { sampleOf, vectorMachine } from "./vectors.js";

/**
 * A real kernel's fault: an oops that Kevin Brodsky posted on 5 May 2026 in reply to "[RFC PATCH v6 07/30]" of the series. The
 * post shows neither POR_EL1 nor PIR_EL1.
 */
const OOPS = {
  esr: "0x000000409600004f",
  far: "0xffff00087fbbbd78",
  p4d: "18000008fffff403",
  pud: "18000008ffa2d403",
  pmd: "18000008ff82f403",
  pte: "10e80008ffbbb707",
};

describe("the oops of the exception-entry crash", () => {
  const explained = arm64.explain({ inputs: OOPS });

  test("is decoded as the manual has it", () => {
    const report = textOf(explained, "report");
    expect(report).toContain("EC 0x25: DABT (current EL)");
    expect(report).toContain("DFSC 0x0f: level 3 permission fault");
    expect(report).toMatch(/WnR 1, Overlay 1, DirtyBit 0\nIL 1, S1PTW 0, ISS2 0x40\n/);
    expect(report).toContain("write to read-only memory");
  });

  test("has tables whose rights are ignored, and a page of the linear map", () => {
    const walk = textOf(explained, "walk").split("\n");
    expect(walk[0]).toContain("TTBR1_EL1");
    expect(walk.slice(1, 4)).toEqual([
      expect.stringMatching(
        /^pgd\[0\] 0x18000008fffff403: table at 0x8fffff000, AF 1, .*UXNTable 1, PXNTable 1 \(ignored/,
      ),
      expect.stringMatching(/^pud\[33\] 0x18000008ffa2d403: table at 0x8ffa2d000, .*ignored/),
      expect.stringMatching(/^pmd\[509\] 0x18000008ff82f403: table at 0x8ff82f000, .*ignored/),
    ]);
    expect(walk[4]).toBe(
      "pte[443] 0x10e80008ffbbb707: page at 0x8ffbbb000, AttrIndx 1 (MEM/NORMAL-TAGGED), AP[2:1] 0b00, SH 3, AF 1, nG 0, " +
        "DBM 1, PXN 1, UXN 1, software DIRTY(55) 1, POIndex 1, PIIndex 0xe",
    );
    expect(textOf(explained, "rights")).toMatch(
      /PIIndex 0xe \(PAGE_KERNEL\) is 0x5 RW_O in PIR_EL1 0x5511070350100000/,
    );
    expect(textOf(explained, "rights")).toContain("with all keys open EL1 may read and write");
  });

  test("is a write to pkey 1 (PGTABLES), read-only in the context DEFAULT, outside the setter's guard", () => {
    expect(textOf(explained, "key")).toContain("pkey 1 (PGTABLES); POR_EL1 0x17 makes it read-only");
    expect(textOf(explained, "context")).toBe("POR_EL1 0x17 is the value of the context DEFAULT");
    expect(textOf(explained, "guard")).toMatch(/in the context PGTABLES: .*page-table write.*kpkeys_hardened_pgtables/);
    expect(explained.verdict).toMatchObject({ result: "fault", decidedBy: "key", agrees: true });
    expect(explained.verdict.text).toContain("pkey 1 (PGTABLES) is read-only in the context DEFAULT");
  });

  test("lists the assumptions", () => {
    const assumed = textOf(explained, "assumed");
    expect(assumed).toContain("POR_EL1 was not given: assumed 0x17, its value in the context DEFAULT");
    expect(assumed).toContain("PIR_EL1 was not given: assumed 0x5511070350100000, the kpkeys series' value");
    expect(textOf(arm64.explain({ inputs: { ...OOPS, por: "17" } }), "assumed")).not.toContain("POR_EL1 ");
  });

  test("does not agree with the PGTABLES context, with mainline's PIR_EL1, nor with another report", () => {
    const inContext = arm64.explain({ inputs: { ...OOPS, por: "0x57" } });
    expect(inContext.verdict).toMatchObject({ result: "ok", decidedBy: "none", agrees: false });
    expect(textOf(inContext, "context")).toContain("context PGTABLES");
    const mainline = arm64.explain({ inputs: { ...OOPS, pir: "0xcc880e0ac0800000" } });
    expect(mainline.verdict).toMatchObject({ result: "ok", agrees: false });
    expect(textOf(mainline, "key")).toContain("RW, which has no overlay");
    const translation = arm64.explain({ inputs: { ...OOPS, esr: "0x0000000096000047" } });
    expect(translation.verdict.agrees).toBe(false);
    expect(textOf(translation, "agreement")).toContain("DFSC: reported 0x07: level 3 translation fault, computed 0x0f");
  });

  test("is the same with the entries as a list, or with tables assumed", () => {
    const { p4d, pud, pmd, pte, ...report } = OOPS;
    const listed = arm64.explain({ inputs: report, entries: [p4d, pud, pmd, pte] });
    expect(listed).toEqual(explained);
    const alone = arm64.explain({ inputs: { ...report, pte } });
    expect(alone.verdict).toEqual(explained.verdict);
    expect(textOf(alone, "assumed")).toContain("pgd, pud and pmd were not given: assumed to deny nothing");
  });
});

/** A supervisor write to a page of the direct map with key 1. */
const X86_FAULT = { "error-code": "23", cr2: "ffff888012345008", pte: "8800000012345163" };

describe("a fault of a supervisor write on x86", () => {
  test("that a key denied is a page-table write outside its setter's guard", () => {
    const explained = x86.explain({ inputs: { ...X86_FAULT, pkrs: "55555558" } });
    expect(explained.verdict).toMatchObject({ result: "fault", decidedBy: "key", agrees: true });
    expect(textOf(explained, "key")).toContain("pkey 1 (PGTABLES); IA32_PKRS 0x55555558 makes it read-only");
    expect(textOf(explained, "guard")).toContain("kpkeys_hardened_pgtables");
  });

  test("to a user page names the condition of SMAP", () => {
    const inputs = { "error-code": "3", cr2: "7f0000001000", pte: "8000000012345067" };
    const explained = x86.explain({ inputs });
    expect(explained.verdict).toMatchObject({ decidedBy: "base", agrees: true });
    expect(textOf(explained, "rule")).toMatch(/if U\/S were 0 in .*; or if CR4\.SMAP were 0; or if RFLAGS\.AC were 1/);
    expect(textOf(explained, "guard")).toBe("");
  });

  test("above MAXPHYADDR is one of a reserved bit", () => {
    const inputs = { "error-code": "b", cr2: "ffff888012345008", pte: "8000080012345163", maxphyaddr: "40" };
    expect(x86.explain({ inputs }).verdict).toMatchObject({ decidedBy: "reserved", agrees: true });
  });
});

test("a walk that ends early reports the level, and the entries not read", () => {
  const inputs = {
    esr: "0x96000006",
    far: "0xffff00087fbbbd78",
    pgd: OOPS.p4d,
    pud: OOPS.pud,
    pmd: "0",
    pte: OOPS.pte,
  };
  const explained = arm64.explain({ inputs });
  expect(explained.verdict).toMatchObject({ decidedBy: "translation", agrees: true });
  expect(textOf(explained, "walk")).toMatch(/pmd\[509\] 0x0: not valid: bit 0 is 0\n.*lower levels are not read$/);
});

test("contexts are those of the register's layout, with any rights of unmanaged keys", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(arm64, x86),
      fc.constantFrom("DEFAULT", "PGTABLES"),
      fc.integer({ min: 0, max: 0xffffffff }),
      (explainer, name, others) => {
        const { kernel, tools } = explainer;
        const { clear, set } = kernel.kpkeys.compiled(name);
        const value = (((others & ~clear.low) | set.low) >>> 0).toString(16);
        const inputs = tools === arm64.tools ? { ...OOPS, por: value } : { ...X86_FAULT, pkrs: value };
        expect(textOf(explainer.explain({ inputs }), "context")).toBe(
          `${tools.explanation.pkeyRegister.name} 0x${value} is the value of the context ${name}`,
        );
      },
    ),
  );
});

describe("inputs that cannot be explained are refused by code", () => {
  const { esr, far, pte } = OOPS;
  test.each<[string, Explainer, ExplainQuestion, RegExp]>([
    ["unknown", arm64, { inputs: { ...OOPS, cr2: "0" } }, /unknown input 'cr2'; expected one of esr, far, por/],
    ["missing", arm64, { inputs: { esr, pte } }, /far was not given/],
    ["no entry", arm64, { inputs: { esr, far } }, /no table entry was given/],
    ["no number", arm64, { inputs: { ...OOPS, por: "0x1g" } }, /por: '0x1g' is not a hexadecimal number/],
    ["too wide", x86, { inputs: { "error-code": "0", cr2: "0", pte: "0", cr4: "100000000" } }, /cr4: .* too wide/],
    [
      "no width",
      x86,
      { inputs: { "error-code": "0", cr2: "0", pte: "0", maxphyaddr: "0x30" } },
      /maxphyaddr: .*decimal/,
    ],
    [
      "no such width",
      x86,
      { inputs: { "error-code": "0", cr2: "0", pte: "0", maxphyaddr: "60" } },
      /maxphyaddr: .*36 to 52/,
    ],
    ["not an abort", arm64, { inputs: { ...OOPS, esr: "0x56000000" } }, /esr: EC 0x15 .*0x20, 0x21, 0x24 or 0x25/],
    ["two values for one entry", arm64, { inputs: { ...OOPS, pgd: "3", "va-bits": "48" } }, /pgd and p4d differ/],
    ["entries twice", arm64, { inputs: OOPS, entries: ["0"] }, /entries and p4d are both given/],
    ["too many entries", arm64, { inputs: { esr, far }, entries: Array<string>(6).fill("3") }, /there are 6 entries/],
    ["a table without the next", arm64, { inputs: { esr, far, pmd: OOPS.pmd } }, /pte was not given, and pmd points/],
    ["a leaf above another", arm64, { inputs: { ...OOPS, pmd: "0x701" } }, /pmd is a leaf, and pte is given too/],
  ])("%s", (_, explainer, question, message) => {
    let error: unknown;
    try {
      explainer.explain(question);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(KpkeysError);
    expect(error).toMatchObject({ code: "ERR_EXPLAIN_INPUT", message: expect.stringMatching(message) as string });
  });

  test("two entries in one place", () => {
    const inputs = { esr, far: "0x0", pgd: "0x1003", pud: "0x2003", pmd: "0x1003", pte: "0x3703" };
    expect(() => arm64.explain({ inputs })).toThrow(/pud and pte have the same address/);
  });
});

/**
 * The architectures with the fields of their key registers and a value that withholds no data access: not execution too, where
 * that would take the right to write (PIR value 6).
 */
const SAMPLES = [
  {
    plugin: arm64Poe,
    explainer: arm64,
    keys: { POR_EL1: "por_el1", POR_EL0: "por_el0" } as Record<string, string>,
    open: "0x55555555",
  },
  {
    plugin: x86Pks,
    explainer: x86,
    keys: { IA32_PKRS: "pkrs", PKRU: "pkru" } as Record<string, string>,
    open: "0x0",
  },
];

/** Bits of a leaf that an access may depend on: all but those of its address. */
const FLIPPED = [0, 1, 2, 4, 5, 6, 7, 8, 10, 11, 51, 53, 54, 59, 60, 61, 62, 63];

/** The rule that a fault's registers report; `undefined` where the line has none, or sources disagree on it. */
function reportedRule(vector: Vector): DecidingRule | undefined {
  if (vector["disputed"] !== undefined) return undefined;
  if (vector["result"] === "ok") return "none";
  const code = vector["error_code"];
  if (typeof code === "string") {
    const bits = Number(code);
    if ((bits & 1) === 0) return "translation";
    if ((bits & 8) !== 0) return "reserved";
    return (bits & 0x20) === 0 ? "base" : "key";
  }
  if (vector["overlay"] === 1) return "key";
  const status = typeof vector["fsc"] === "string" ? Number(vector["fsc"]) & ~3 : -1;
  return ({ 0: "address-size", 4: "translation", 8: "access-flag", 12: "base" } as const)[status];
}

describe.each(SAMPLES)("of the vectors of $plugin.id", ({ plugin, explainer, keys, open }) => {
  const vectors = sampleOf(plugin.id);

  test("each is explained by the rule that its registers report", () => {
    for (const vector of vectors) {
      const { verdict } = explainer.explain({ vector });
      const rule = reportedRule(vector);
      const explained = {
        id: vector["id"],
        result: verdict.result,
        rule: rule && verdict.decidedBy,
        agrees: verdict.agrees,
      };
      expect(explained).toEqual({ id: vector["id"], result: vector["result"], rule, agrees: true });
    }
  });

  const { cpu, run } = vectorMachine(plugin);
  const decides = (vector: Vector): string => (run(vector)["result"] === "ok" ? "ok" : String(cpu.fault.kind));

  test("a change of entry or keys is explained as the CPU then decides, by the register that it asks", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...vectors),
        fc.subarray(FLIPPED, { maxLength: 3 }),
        fc.constantFrom(...Object.values(keys)),
        fc.nat({ max: 0xffffffff }),
        (line, flipped, field, value) => {
          const pte = flipped.reduce((entry, bit) => entry ^ (1n << BigInt(bit)), BigInt(line["pte"] as string));
          const changed = field in line ? { [field]: `0x${value.toString(16)}` } : {};
          const vector = { ...line, ...changed, pte: `0x${pte.toString(16)}` };
          const decided = decides(vector);
          const { verdict, reasons } = explainer.explain({ vector });
          expect(verdict.result).toBe(decided === "ok" ? "ok" : "fault");
          expect(verdict.decidedBy === "none").toBe(decided === "ok");
          expect(verdict.decidedBy === "key").toBe(decided === String(FaultKind.PKEY));
          expect(reasons.every(({ text }) => text !== "" && !text.includes("\n"))).toBe(true);
          if (verdict.decidedBy !== "key") return;
          const asked = reasons.find(({ topic }) => topic === "key")!.text;
          const register = /; (\w+) 0x[\da-f]+ makes it /.exec(asked)![1]!;
          const opened = decides({ ...vector, [keys[register]!]: line["access"] === "fetch" ? "0x77777777" : open });
          expect([register, opened]).not.toEqual([register, decided]);
        },
      ),
      { numRuns: runs(400) },
    );
  });
});
