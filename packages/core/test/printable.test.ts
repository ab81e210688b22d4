import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KpkeysError, printable, quote } from "../src/index.js";

const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300 }),
  fc.string({ unit: fc.constantFrom("\u001b", "\u009b", "\u007f", "\u202e", "\u2028", "\ud800", "\n", "\t", "a") }),
);

describe("untrusted text", () => {
  it("is printed without control characters in a report, in quotes and in an error", () => {
    fc.assert(
      fc.property(text, text, (one, other) => {
        expect(printable(one)).not.toMatch(UNSAFE);
        expect(quote(one)).not.toMatch(UNSAFE);
        expect(new KpkeysError("ERR_USAGE", one, { where: other, expected: one }).message).not.toMatch(UNSAFE);
      }),
    );
  });

  it("that is printable is unchanged", () => {
    for (const plain of ["write_user_pmd", "Überlauf 2 µs", "日本", "🙂 # 'x'"]) {
      expect(printable(plain)).toBe(plain);
      expect(quote(plain)).toBe(`'${plain}'`);
    }
  });

  it("is truncated in quotes", () => {
    expect(quote("x".repeat(10_000_000)).length).toBeLessThan(120);
  });
});
