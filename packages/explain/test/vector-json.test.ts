import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseVector } from "../src/index.js";

const invalid = expect.objectContaining({ code: "ERR_VECTOR_LINE" }) as Error;
const parse = (text: string): unknown => parseVector(text, "a vector");

describe("a vector as JSON", () => {
  test.each([
    '{"result":"ok","va":"0x8","result":"fault"}',
    '{"result": "ok", "result": "ok"}',
    String.raw`{"result":"ok","res\u0075lt":"fault"}`,
    '{"prior":{"access":"read","access":"write"}}',
    '{"disputed":[{"field":"a"},{"field":"b","field":"c"}]}',
    '{"a":"\\"","a":1}',
    "[]",
    "null",
    "{",
  ])("is rejected: %s", (text) => {
    expect(() => parse(text)).toThrow(invalid);
  });

  test.each(["[", '{"a":'])("is rejected above the largest nesting depth: %s", (open) => {
    const close = open === "[" ? "]" : "}";
    const deep = (levels: number): string => `{"arch":${open.repeat(levels)}1${close.repeat(levels)}}`;
    for (const levels of [20, 5000, 100_000]) expect(() => parse(deep(levels))).toThrow(invalid);
    expect(() => parse(deep(5))).not.toThrow();
  });

  test("has the value of JSON.parse, with any blanks and names", () => {
    const value = fc.jsonValue({ maxDepth: 3 });
    fc.assert(
      fc.property(fc.dictionary(fc.string(), value), fc.constantFrom(undefined, 1, "\t"), (object, blanks) => {
        const text = JSON.stringify(object, undefined, blanks);
        expect(parse(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test("has each field once", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { minKeys: 1 }),
        fc.nat(),
        (object, place) => {
          const fields = Object.entries(object).map(
            ([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`,
          );
          const again = fields[place % fields.length]!;
          expect(() => parse(`{${[...fields, again].join(", ")}}`)).toThrow(invalid);
        },
      ),
    );
  });
});
