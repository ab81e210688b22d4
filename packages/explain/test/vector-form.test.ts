import { KpkeysError } from "@kpkeys/core";
import type { Vector } from "@kpkeys/core/contracts";
import { describe, expect, test } from "vitest";
import { createVectorCheck } from "../src/vectors/form.js";

const check = createVectorCheck({
  arch: "toy",
  accesses: ["read", "write"],
  given: { on: "flag" },
  optional: { key: "bits32" },
  neededBy: { on: ["key"] },
  judged: { upper_after: "entries", flags: { fields: { a: "flag" } } },
  fault: { code: "bits64", errno: "whole" },
  someFaults: { pkey: "whole" },
});
const LINE: Vector = {
  id: "toy-1",
  arch: "toy",
  oracle: "example",
  kind: "random",
  level: "4k",
  va: "0x1000",
  upper: ["0x1"],
  pte: "0x3",
  frame: "0x0",
  access: "read",
  on: 0,
  prior: { access: "write", result: "ok" },
  result: "fault",
  code: "0x1",
  errno: 14,
  upper_after: ["0x1"],
  flags: { a: 1 },
  disputed: [{ field: "code", why: "sources differ", other: "0x2" }],
};

function without(...fields: readonly string[]): Vector {
  return Object.fromEntries(Object.entries(LINE).filter(([field]) => !fields.includes(field)));
}

describe("a valid line", () => {
  test.each([
    ["with every field", LINE],
    ["without optional fields", without("prior", "disputed")],
    ["with a field of some faults", { ...LINE, pkey: 3 }],
    ["without the fields of a fault", without("code", "errno")],
    ["with the fields that a flag requires", { ...LINE, on: 1, key: "0x1" }],
    ["with fields that no flag requires", { ...LINE, key: "0x1" }],
    ["in any order", Object.fromEntries(Object.entries(LINE).reverse())],
  ])("%s", (_, line) => {
    expect(() => {
      check(line);
    }).not.toThrow();
  });
});

describe("an invalid line is an error with its id and the field", () => {
  function expectError(line: Vector, message: RegExp): void {
    let error: unknown;
    try {
      check(line);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(KpkeysError);
    expect((error as KpkeysError).code).toBe("ERR_VECTOR_LINE");
    expect((error as KpkeysError).message).toMatch(message);
  }

  test.each(Object.keys(LINE).filter((field) => field !== "prior" && field !== "disputed"))("without %s", (field) => {
    expectError(without(field), new RegExp(`: field '${field}' is missing; expected`));
  });

  test("without the fields that a flag requires", () => {
    expectError({ ...LINE, on: 1 }, /^vector toy-1: field 'key' is missing/);
  });

  test.each([
    ["level", "8k", "4k or 2m or 1g"],
    ["access", "fly", "read or write"],
    ["access", "toString", "read or write"],
    ["result", "maybe", "ok or fault"],
    ["on", 2, "0 or 1"],
    ["on", true, "0 or 1"],
    ["on", "1", "0 or 1"],
    ["on", null, "0 or 1"],
    ["key", "0x100000000", "32 bits"],
    ["va", "0x1004", "a multiple of 8"],
    ["pte", "0x10000000000000000", "64 bits"],
    ["pte", 3, "64 bits"],
    ["upper", "0x1", "a list of hex strings"],
    ["upper", [1], "a list of hex strings"],
    ["errno", -1, "a whole number"],
    ["errno", 1.5, "a whole number"],
    ["id", "", "a text"],
    ["id", 7, "a text"],
    ["flags", { a: 2 }, "an object with a: 0 or 1"],
    ["flags", { a: 1, b: 1 }, "an object with a: 0 or 1"],
    ["flags", {}, "an object with a: 0 or 1"],
    ["flags", [1], "an object with a: 0 or 1"],
    ["prior", { access: "fly", result: "ok" }, "access: read or write, result: ok or fault"],
    ["prior", { access: "read" }, "access: read or write"],
    ["prior", { access: "read", result: "ok", mode: "user" }, "access: read or write"],
    ["disputed", {}, "a list of objects"],
    ["disputed", ["code"], "a list of objects"],
    ["disputed", [{ field: "pte", why: "not a judged field" }], "a judged field"],
    ["disputed", [{ field: "code" }], "why it is disputed"],
    ["disputed", [{ field: "code", why: "no text", rule: 3 }], "all as text"],
  ])("with %s = %j", (field, value, expected) => {
    expectError({ ...LINE, [field]: value }, new RegExp(`field '${field}' is .*; expected .*${expected}`));
  });

  test.each(["colour", "__proto__", "constructor", "prior.result", "Key"])("with an unknown field %s", (field) => {
    const line = JSON.parse(`{ "${field}": 0, ${JSON.stringify(LINE).slice(1)}`) as Vector;
    expectError(line, new RegExp(`a line of toy has no field "${field}"; expected id, arch, .*pkey`));
  });

  test("without an id", () => {
    expectError({ arch: "toy" }, /^vector without an id: field 'id' is missing/);
  });
});
