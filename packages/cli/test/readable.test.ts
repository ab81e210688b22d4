import { printable } from "@kpkeys/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readable } from "../src/errors.js";

test("readable() escapes the same characters as printable() of core", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      fc.pre(!text.includes("\n"));
      expect(readable(text)).toBe(printable(text));
    }),
  );
});
