import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromWords, highWord, lowWord, toWords, wordsToHex } from "../../src/machine/index.js";
import { isHex } from "../../src/machine/words.js";

const BITS_64 = fc.bigInt(0n, 2n ** 64n - 1n);

describe("two words", () => {
  test("and a 64-bit value are one thing", () => {
    fc.assert(
      fc.property(BITS_64, (value) => {
        const { high, low } = toWords(value);
        expect([high | 0, low | 0]).toEqual([high, low]);
        expect(fromWords(high, low)).toBe(value);
      }),
    );
  });

  test("and its hex digits too, of either case and with leading zeros", () => {
    fc.assert(
      fc.property(BITS_64, fc.boolean(), fc.integer({ min: 1, max: 16 }), (value, upper, digits) => {
        const { high, low } = toWords(value);
        const hex = value.toString(16);
        expect(wordsToHex(high, low)).toBe(`0x${hex}`);
        const text = `0x${(upper ? hex.toUpperCase() : hex).padStart(digits, "0")}`;
        expect(isHex(text, 2)).toBe(true);
        expect({ high: highWord(text), low: lowWord(text) }).toEqual({ high, low });
        expect(isHex(text, 1)).toBe(text.length <= 10);
      }),
    );
  });
});

test("nothing else is a bit pattern", () => {
  for (const value of [
    "",
    "0x",
    "0",
    "1f",
    "0xg",
    "0x@",
    "0x 1",
    "0x1 ",
    "-0x1",
    "0X1",
    "0x1_0",
    "0x`",
    "0x:",
    1,
    null,
  ]) {
    expect(isHex(value, 2)).toBe(false);
  }
  expect(isHex("0x10000000000000000", 2)).toBe(false);
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(isHex(`0x${text}`, 2)).toBe(/^[0-9a-f]{1,16}$/i.test(text));
    }),
  );
});
