import type { Explainer, Explanation } from "@kpkeys/explain";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { arm64, x86 } from "./explainers.js";

type Inputs = Readonly<Record<string, string>>;

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const word = (bits: number): fc.Arbitrary<bigint> => fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n });
/** A value with some bits of a mask. */
const some = (mask: bigint, always = 0n): fc.Arbitrary<string> => word(64).map((value) => hex((value & mask) | always));
const bits = (...positions: number[]): bigint => positions.reduce((mask, at) => mask | (1n << BigInt(at)), 0n);

/** Table entries at different addresses, with some of the bits that decide. */
function entries(tableBits: bigint, table: bigint, leafBits: bigint, leaf: bigint): fc.Arbitrary<Inputs> {
  const entry = (bitsOf: bigint, always: bigint, pfn: bigint): fc.Arbitrary<string> =>
    some(bitsOf, always | (pfn << 12n));
  return fc.record({
    pgd: entry(tableBits, table, 0x10001n),
    pud: entry(tableBits, table, 0x10002n),
    pmd: entry(tableBits, table, 0x10003n),
    pte: entry(leafBits, leaf, 0x10004n),
  });
}

const x86Inputs = fc
  .tuple(
    entries(bits(1, 2, 63), 0x21n, bits(1, 2, 5, 6, 59, 60, 63), 1n),
    fc.record({
      "error-code": fc.constantFrom("1", "3", "5", "7", "11", "15", "21", "23", "25", "27", "9"),
      cr2: fc.constantFrom("ffff888100001000", "7f0000001000"),
      cr0: some(bits(16), 0x80000001n),
      cr4: some(bits(20, 21, 22, 24), 0xa0n),
      efer: some(bits(11), 0x500n),
      rflags: some(bits(18), 2n),
      pkrs: some(0xffn),
      pkru: some(0xffn),
    }),
  )
  .map(([tables, report]): Inputs => ({ ...tables, ...report }));

const arm64Inputs = fc
  .tuple(
    entries(bits(59, 60, 61, 62), 3n, bits(6, 7, 10, 51, 53, 54, 60, 61), 3n),
    fc.record({
      esr: fc.constantFrom(
        ...["0x9600000f", "0x9600004f", "0x9200000f", "0x9200004f", "0x8600000f", "0x8200000f"],
        ...["0x000000409600004f", "0x000000409200000f", "0x9600000b"],
      ),
      far: fc.constantFrom("ffff000100001000", "aaaa00001000"),
      por: word(16).map(hex),
      "por-el0": word(16).map(hex),
      tcr2: some(bits(1, 2, 3)),
      tcr: some(bits(39, 40, 41, 42), (5n << 32n) | (2n << 30n) | (16n << 16n) | 16n),
      sctlr: some(bits(19, 57), 0x1005n),
      pstate: some(bits(22), 5n),
      pir: word(64).map(hex),
      pire0: word(64).map(hex),
    }),
  )
  .map(([tables, report]): Inputs => ({ ...tables, ...report }));

/** The key register that was asked, and the key. */
function askedOf({ reasons }: Explanation): { register: string; key: string } {
  const asked = reasons.find(({ topic }) => topic === "key")!.text;
  const [, key] = /^[\w ]+? (\d+): /.exec(asked)!;
  const [, register] = /; (\w+) 0x[\da-f]+ makes it /.exec(asked)!;
  return { register: register!, key: key! };
}

describe.each<[string, Explainer, fc.Arbitrary<Inputs>]>([
  ["x86", x86, x86Inputs],
  ["arm64", arm64, arm64Inputs],
])("verdict and what-ifs never contradict each other: %s", (_, explainer, arbitrary) => {
  test("with a change that would let it through, the access goes through; a denying key is named", () => {
    const decided = new Set<string>();
    fc.assert(
      fc.property(arbitrary, (inputs) => {
        const explained = explainer.explain({ inputs });
        const { verdict, whatIfs, reasons } = explained;
        decided.add(verdict.decidedBy);
        if (verdict.result === "ok") expect(whatIfs).toEqual([]);
        for (const { text, inputs: changes } of whatIfs) {
          const changed = explainer.explain({ inputs: { ...inputs, ...changes } }).verdict;
          expect([text, changed.result]).toEqual([text, "ok"]);
        }
        if (verdict.decidedBy !== "key") return;
        const { register, key } = askedOf(explained);
        const rules = reasons.flatMap(({ topic, text }) => (topic === "rule" ? [text] : [])).join("\n");
        expect(rules).toContain(register);
        expect(rules).toMatch(new RegExp(`key ${key}\\b`));
        // The narrowest change is of the key, where the key is alone.
        if (rules.includes("the key alone denies it")) expect(whatIfs[0]!.text).toContain(register);
      }),
      { numRuns: 250 },
    );
    expect([...decided]).toEqual(expect.arrayContaining(["key", "base", "none"]));
  });

  test("no change is named that changes nothing of the verdict when it is made alone, or a part of two", () => {
    fc.assert(
      fc.property(arbitrary, (inputs) => {
        const { whatIfs } = explainer.explain({ inputs });
        const texts = whatIfs.map(({ text }) => text);
        expect(new Set(texts).size).toBe(texts.length);
        for (const text of texts) {
          const parts = text.split(" and ");
          // A change that is enough alone is not named as a part of two.
          if (parts.length > 1) expect(texts).not.toContain(parts.at(-1));
        }
      }),
      { numRuns: runs(80) },
    );
  });
});
