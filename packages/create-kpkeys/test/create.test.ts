import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { createPackage, KINDS } from "../src/index.js";
import type { Kind } from "../src/index.js";
import { formsOf, rename } from "../src/names.js";

const examples = fileURLToPath(new URL("../../../examples/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "create-kpkeys-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const kinds = Object.keys(KINDS) as Kind[];

describe.each(kinds)("a package of the kind %s", (kind) => {
  const home = join(folder, kind, "file-operations");
  const files = createPackage(home, kind, examples);
  const textOf = (path: string): string => readFileSync(join(home, path), "utf8");

  test("has its name, not the example's, in every file", () => {
    const { kebab, snake, upper, pascal, camel } = formsOf(KINDS[kind])!;
    for (const path of files) {
      for (const form of [kebab, snake, upper, pascal, camel]) expect(path + textOf(path)).not.toContain(form);
    }
    expect(files.some((path) => textOf(path).includes("fileOperations"))).toBe(true);
  });

  test("can be published under its name", () => {
    const manifest = JSON.parse(textOf("package.json")) as Record<string, unknown>;
    expect(manifest).toMatchObject({ name: "file-operations", type: "module" });
    expect(manifest).not.toHaveProperty("private");
  });

  test("has its own README, which names files of the package", () => {
    const readme = textOf("README.md");
    expect(readme).toMatch(/^# file-operations\n/);
    expect(readme).not.toContain("examples/");
    const named = [...readme.matchAll(/`(src\/[^`]+)`/g)].map(([, path]) => path);
    expect(named).not.toEqual([]);
    expect(files).toEqual(expect.arrayContaining(named));
  });

  test("equals the example if it has the example's name", () => {
    const again = join(folder, kind, KINDS[kind]);
    const own = ["package.json", "README.md"];
    for (const path of createPackage(again, kind, examples).filter((path) => !own.includes(path))) {
      expect(readFileSync(join(again, path), "utf8")).toBe(readFileSync(join(examples, KINDS[kind], path), "utf8"));
    }
  });
});

test.each(["File", "1st", "a--b", "-a", "a_b", "..", "é", "a".repeat(215), "fs", "default", "pgtables", "conformance"])(
  "the name %j is invalid",
  (name) => {
    expect(() => createPackage(join(folder, "names", name), "feature", examples)).toThrow(
      expect.objectContaining({ code: "ERR_USAGE" }) as Error,
    );
  },
);

test.each([
  [
    "a file",
    () => {
      writeFileSync(join(folder, "a-file"), "");
    },
    "a-file",
  ],
  [
    "below a file",
    () => {
      writeFileSync(join(folder, "b-file"), "");
    },
    "b-file/below",
  ],
  [
    "a loop of links",
    () => {
      symlinkSync("loop", join(folder, "loop"));
    },
    "loop",
  ],
  [
    "a link to nothing",
    () => {
      symlinkSync("/nowhere/at/all", join(folder, "dangling"));
    },
    "dangling",
  ],
  ["in a folder whose name is too long", () => undefined, `${"n".repeat(256)}/name`],
])("ERR_OUTPUT for a folder that is %s", (_, prepare, name) => {
  prepare();
  expect(() => createPackage(join(folder, name), "feature", examples)).toThrow(
    expect.objectContaining({ code: "ERR_OUTPUT" }) as Error,
  );
});

test("a folder that is not empty is an error and is not changed", () => {
  const home = mkdtempSync(join(folder, "full-"));
  writeFileSync(join(home, "mine"), "");
  expect(() => createPackage(home, "feature", examples)).toThrow(
    expect.objectContaining({ code: "ERR_USAGE" }) as Error,
  );
  expect(readdirSync(home)).toEqual(["mine"]);
});

test("rename replaces every spelling, and can be undone", () => {
  const word = fc.stringMatching(/^[a-z][a-z0-9]{2,6}$/);
  const name = fc.array(word, { minLength: 2, maxLength: 3 }).map((words) => formsOf(words.join("-"))!);
  fc.assert(
    fc.property(name, name, (from, to) => {
      const text = Object.values(from).join(" ");
      fc.pre(!Object.values(to).join(" ").includes(from.snake.slice(0, 3)));
      expect(rename(text, from, to)).toBe(Object.values(to).join(" "));
      expect(rename(rename(text, from, to), to, from)).toBe(text);
    }),
  );
});
