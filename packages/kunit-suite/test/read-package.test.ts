import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkModuleFiles, readPackage } from "../src/node/index.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kpkeys-package-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const write = (name: string, text: string): void => {
  writeFileSync(join(folder, name), text);
};
const error = (code: string): Error => expect.objectContaining({ name: "KpkeysError", code }) as Error;

/** The imports of a package with one module. */
function importsOf(text: string): string[] {
  write("package.json", "{}");
  write("index.js", text);
  return readPackage(folder).imports.map(({ specifier }) => specifier);
}

describe("a manifest", () => {
  test.each(["null", "[]", "1", '"text"', "{", ""])("that is %s is ERR_PLUGIN_INVALID", (text) => {
    write("package.json", text);
    expect(() => readPackage(folder)).toThrow(error("ERR_PLUGIN_INVALID"));
  });

  test("may have fields of any kind and depth", () => {
    write("index.js", "");
    const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    const wide = JSON.stringify(Array.from({ length: 200_000 }, (_, i) => `./${i}.css`));
    for (const exports of [deep, wide, "5", "null", "[[]]"]) {
      write("package.json", `{"name":5,"main":5,"dependencies":[1],"peerDependencies":"x","exports":${exports}}`);
      expect(readPackage(folder).entry).toBe(join(folder, "index.js"));
    }
  });

  test("names its main module as Node.js finds it", () => {
    mkdirSync(join(folder, "lib"));
    for (const [main, entry] of [
      ["lib", "lib/index.js"],
      ["./lib/other", "lib/other.js"],
      [".", "index.js"],
      ["gone.js", "index.js"],
    ] as const) {
      write("package.json", JSON.stringify({ main }));
      write(entry, "");
      expect(readPackage(folder).entry).toBe(join(folder, entry));
    }
  });

  test.each(["ERR_INPUT_MISSING", "ERR_PLUGIN_INVALID"])("that cannot be read is %s", (code) => {
    symlinkSync(code === "ERR_INPUT_MISSING" ? "package.json" : "/dev/zero", join(folder, "package.json"));
    expect(() => readPackage(folder)).toThrow(error(code));
  });
});

describe("the files of a package", () => {
  test.each(["index.js", "other.js"])("are rejected if %s is a device", (name) => {
    write("package.json", "{}");
    if (name !== "index.js") write("index.js", 'import "./other.js"');
    symlinkSync("/dev/zero", join(folder, name));
    expect(() => readPackage(folder)).toThrow(error("ERR_PLUGIN_INVALID"));
    expect(() => {
      checkModuleFiles(join(folder, name));
    }).toThrow(error("ERR_PLUGIN_INVALID"));
  });

  test("are rejected if one is larger than 16 MiB", () => {
    write("package.json", "{}");
    write("index.js", "");
    truncateSync(join(folder, "index.js"), 2 ** 31);
    expect(() => readPackage(folder)).toThrow(error("ERR_PLUGIN_INVALID"));
  });

  test("may import each other in a chain of any length", () => {
    const length = 12_000;
    for (let i = 0; i < length; i++) write(`f${i}.js`, `import "./f${(i + 1) % length}.js"; import "far-${i}";`);
    expect(importsOf('export * from "./f0.js"')).toHaveLength(length);
  });

  test("are searched in one pass, for any content", () => {
    const many = 400_000;
    expect(importsOf(`${"\n".repeat(many)}import "a"`)).toEqual(["a"]);
    expect(importsOf("/* ".repeat(many))).toEqual([]);
    expect(importsOf(`${"/* */".repeat(many)}import "b"`)).toEqual(["b"]);
    expect(importsOf(`from${" ".repeat(many)}x; import("c")`)).toEqual(["c"]);
  });

  test("have comments, which are not searched", () => {
    const text = [
      '/* import "a" */ import "b"',
      '  // import "c" /*',
      'import "d"',
      "/*",
      '// import "e" */ import "f"',
    ];
    expect(importsOf(text.join("\n"))).toEqual(["b", "d", "f"]);
  });

  test("have strings, in which no comment begins", () => {
    const text = ['const GLOB = "src/*";', 'import "a";', "const other = '/*';", 'import "b"; /* import "c" */'];
    expect(importsOf(text.join("\n"))).toEqual(["a", "b"]);
  });
});
