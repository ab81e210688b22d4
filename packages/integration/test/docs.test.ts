import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ERROR_CODES } from "@kpkeys/core";
import { expect, test } from "vitest";

test("the guide says of every error code what to do, and of no other", () => {
  const page = readFileSync(fileURLToPath(new URL("../../../docs/errors.md", import.meta.url)), "utf8");
  const codes = [...page.matchAll(/^\| `(ERR_\w+)` +\| \S/gm)].map((match) => match[1]);
  expect(codes).toEqual(Object.keys(ERROR_CODES));
});
