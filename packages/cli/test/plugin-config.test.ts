import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import type { KpkeysConfig } from "../src/index.js";
import { JSON_FORM } from "../src/plugins/config-form.js";
import { findConfig } from "../src/plugins/config-search.js";
import { readJsonConfig } from "../src/plugins/config-json.js";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "kpkeys-config-"));
  mkdirSync(join(root, "a/b/c"), { recursive: true });
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

/** Writes a file with a path relative to the root. */
function write(path: string, text = ""): string {
  writeFileSync(join(root, path), text);
  return join(root, path);
}

describe("the search for a configuration file", () => {
  const found = (folder: string): string | undefined => findConfig(join(root, folder));

  test("finds the nearest one in the folder or above", () => {
    const near = write("a/b/kpkeys.config.json");
    write("a/kpkeys.config.js");
    expect([found("a/b/c"), found("a/b"), found("a")]).toEqual([near, near, join(root, "a/kpkeys.config.js")]);
  });

  test("prefers js, then mjs, ts, json", () => {
    for (const form of ["json", "ts", "mjs", "js"]) {
      const path = write(`a/kpkeys.config.${form}`);
      expect(found("a/b")).toBe(path);
    }
  });

  test.each(["package.json", ".git"])("ends in the nearest folder with %s, whose file is found", (mark) => {
    write("a/kpkeys.config.json");
    write(`a/b/${mark}`);
    expect(found("a/b/c")).toBeUndefined();
    const own = write("a/b/kpkeys.config.json");
    expect(found("a/b/c")).toBe(own);
  });
});

describe("kpkeys.config.json", () => {
  test("names plugins", () => {
    const path = write("kpkeys.config.json", '{ "$schema": "x", "plugins": ["./one", "two"] }');
    expect(readJsonConfig(path)).toEqual(["./one", "two"]);
  });

  test.each([
    ["invalid JSON", '{\n  "plugins": [\n    "a",\n  ]\n}', 4],
    ["an empty file", "", 1],
    ["a plugin that is not a string", '{\n  "plugins": [\n    "a",\n    3\n  ]\n}', 4],
    ["an unknown field", '{\n  "plugins": [],\n  "plugin":\n    1\n}', 4],
    ["no plugins", "\n{}", 2],
    ["a list", "[]", 1],
  ])("is rejected with the line for %s", (_, text, line) => {
    const path = write("kpkeys.config.json", text);
    const refusal = { code: "ERR_PLUGIN_CONFIG", where: `${path}:${line}` };
    expect(() => readJsonConfig(path)).toThrow(expect.objectContaining(refusal) as Error);
  });

  test("has the schema of the package, and every valid file is a KpkeysConfig", () => {
    const shipped = fileURLToPath(new URL("../config.schema.json", import.meta.url));
    expect(JSON.parse(readFileSync(shipped, "utf8"))).toEqual(z.toJSONSchema(JSON_FORM));
    expectTypeOf<Omit<z.output<typeof JSON_FORM>, "$schema">>().toExtend<KpkeysConfig>();
  });
});
