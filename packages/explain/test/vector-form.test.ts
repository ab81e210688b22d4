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
  function expectError(line: Vector, field: string, where = "vector toy-1"): void {
    let error: unknown;
    try {
      check(line);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(KpkeysError);
    expect(error).toMatchObject({ code: "ERR_VECTOR_LINE", where });
    expect((error as KpkeysError).message).toContain(field);
  }

  test.each(Object.keys(LINE).filter((field) => field !== "prior" && field !== "disputed"))("without %s", (field) => {
    expectError(without(field), `'${field}'`, field === "id" ? "vector without an id" : undefined);
  });

  test("without the fields that a flag requires", () => {
    expectError({ ...LINE, on: 1 }, "'key'");
  });

  test.each([
    ["level", "8k"],
    ["access", "fly"],
    ["access", "toString"],
    ["result", "maybe"],
    ["on", 2],
    ["on", true],
    ["on", "1"],
    ["on", null],
    ["key", "0x100000000"],
    ["va", "0x1004"],
    ["pte", "0x10000000000000000"],
    ["pte", 3],
    ["upper", "0x1"],
    ["upper", [1]],
    ["errno", -1],
    ["errno", 1.5],
    ["id", ""],
    ["id", 7],
    ["flags", { a: 2 }],
    ["flags", { a: 1, b: 1 }],
    ["flags", {}],
    ["flags", [1]],
    ["prior", { access: "fly", result: "ok" }],
    ["prior", { access: "read" }],
    ["prior", { access: "read", result: "ok", mode: "user" }],
    ["disputed", {}],
    ["disputed", ["code"]],
    ["disputed", [{ field: "pte", why: "not a judged field" }]],
    ["disputed", [{ field: "code" }]],
    ["disputed", [{ field: "code", why: "no text", rule: 3 }]],
  ])("with %s = %j", (field, value) => {
    expectError({ ...LINE, [field]: value }, `'${field}'`, field === "id" ? "vector without an id" : undefined);
  });

  test.each(["colour", "__proto__", "constructor", "prior.result", "Key"])("with an unknown field %s", (field) => {
    const line = JSON.parse(`{ "${field}": 0, ${JSON.stringify(LINE).slice(1)}`) as Vector;
    expectError(line, `"${field}"`);
  });

  test("without an id", () => {
    expectError({ arch: "toy" }, "'id'", "vector without an id");
  });
});
