import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "./markdown.js";

interface Locked {
  version?: string;
  dependencies?: Record<string, string>;
}

const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
const { overrides } = JSON.parse(read("package.json")) as { overrides: Record<string, string> };
const { packages } = JSON.parse(read("package-lock.json")) as { packages: Record<string, Locked> };

/** The rows of CONTRIBUTING.md's table: an entry, and the package that asks for the version it replaces. */
const rows = [...read("CONTRIBUTING.md").matchAll(/^\| `([^`]+@[\d.]+)` +\| (\S+) +\|/gm)].map((row) => [
  row[1]!,
  row[2]!,
]);

test("CONTRIBUTING.md explains each override and no other", () => {
  expect(rows.map(([entry]) => entry).sort()).toEqual(Object.keys(overrides).sort());
});

describe.each(rows)("the override of %s", (entry, by) => {
  const [name, version] = entry.split("@") as [string, string];

  test(`replaces a version that ${by} asks for`, () => {
    expect(packages[`node_modules/${by}`]?.dependencies?.[name]).toBe(version);
  });

  test("leaves no copy of that version", () => {
    const copies = Object.entries(packages).filter(([path]) => path.endsWith(`node_modules/${name}`));
    expect(copies.map(([, locked]) => locked.version)).not.toContain(version);
  });
});
