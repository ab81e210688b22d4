import { printable } from "@kpkeys/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readable } from "../src/errors.js";

test("an error of the command escapes what core's printable escapes", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      fc.pre(!text.includes("\n"));
      expect(readable(text)).toBe(printable(text));
    }),
  );
});
