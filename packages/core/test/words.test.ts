import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addressText,
  fromWords,
  hex,
  hexDigits,
  highWord,
  isHex,
  lowWord,
  registerText,
  toWords,
  wordsToHex,
  fromBytes,
  swapBytes,
  swapWords,
  toBytes,
} from "../src/words.js";

const BITS_64 = fc.bigInt(0n, 2n ** 64n - 1n);

describe("two words", () => {
  test("and a 64-bit value convert into each other", () => {
    fc.assert(
      fc.property(BITS_64, (value) => {
        const { high, low } = toWords(value);
        expect([high | 0, low | 0]).toEqual([high, low]);
        expect(fromWords(high, low)).toBe(value);
      }),
    );
  });

  test("and hex digits convert into each other, in either case and with leading zeros", () => {
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

describe("hex digits", () => {
  test("of a number and of a bigint are equal, padded to a width, never truncated", () => {
    fc.assert(
      fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), fc.integer({ min: 1, max: 20 }), (value, width) => {
        const digits = hexDigits(value, width);
        expect(digits).toMatch(/^[0-9a-f]+$/);
        expect(parseInt(digits, 16)).toBe(value);
        expect(digits.length).toBe(Math.max(width, hexDigits(value).length));
        expect(hexDigits(BigInt(value), width)).toBe(digits);
        expect(hex(value, width)).toBe(`0x${digits}`);
      }),
    );
  });

  test("of a negative word are those of its 32 bits", () => {
    expect([hexDigits(-1), hex(-0x80000000), hex(0), hex(-1, 16)]).toEqual([
      "ffffffff",
      "0x80000000",
      "0x0",
      "0x00000000ffffffff",
    ]);
  });

  test("of two words as the kernel prints them are 16", () => {
    fc.assert(
      fc.property(BITS_64, (value) => {
        const { high, low } = toWords(value);
        expect(addressText(high, low)).toBe(hexDigits(value, 16));
        expect(registerText(high, low)).toBe(hex(value, 16));
        expect(addressText(high, low)).toHaveLength(16);
      }),
    );
  });
});

describe("bytes in memory", () => {
  const word = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

  test("are those of a DataView, in both orders", () => {
    fc.assert(
      fc.property(word, fc.boolean(), fc.nat(9), (value, little, at) => {
        const expected = new DataView(new ArrayBuffer(8));
        expected.setBigUint64(0, value, little);
        const order = little ? "little" : "big";
        const bytes = toBytes(toWords(value), order);
        expect([...bytes]).toEqual([...new Uint8Array(expected.buffer)]);
        // The value may begin anywhere in the bytes, and the bytes anywhere in their buffer.
        const part = new Uint8Array([1, ...new Uint8Array(at), ...bytes, 2]).subarray(1);
        expect(fromBytes(part, at, order)).toEqual(toWords(value));
      }),
    );
  });

  test("are swapped as by swab64() and swab32()", () => {
    expect(swapWords(toWords(0x0102030405060788n))).toEqual(toWords(0x8807060504030201n));
    fc.assert(
      fc.property(word, (value) => {
        const words = toWords(value);
        expect(fromBytes(toBytes(words, "little"), 0, "big")).toEqual(swapWords(words));
        expect(swapBytes(words.low)).toBe(swapWords(words).high);
      }),
    );
  });
});
