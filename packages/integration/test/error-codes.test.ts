import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const packages = fileURLToPath(new URL("../../", import.meta.url));

/** Packages with a command line. */
const COMMANDS = ["cli", "create-kpkeys"];
/** The list of codes, with an example. */
const LIST = join("core", "src", "errors.ts");

/** The TypeScript sources of all packages, by path from their folder. */
function sources(): readonly string[] {
  return readdirSync(packages).flatMap((name) => {
    const folder = join(packages, name, "src");
    const files = readdirSync(packages + name).includes("src") ? readdirSync(folder, { recursive: true }) : [];
    return files
      .map(String)
      .filter((file) => file.endsWith(".ts"))
      .map((file) => join(name, "src", file));
  });
}

it("an error of usage comes from a command line, never from the library", () => {
  const using = sources().filter((file) => readFileSync(packages + file, "utf8").includes("ERR_USAGE"));
  expect(using.length).toBeGreaterThan(1);
  const owners = using.filter((file) => file !== LIST).map((file) => file.split(/[/\\]/)[0]!);
  expect([...new Set(owners)].filter((name) => !COMMANDS.includes(name))).toEqual([]);
});

it("nothing in the library is drawn at random without a seed", () => {
  const drawing = sources().filter((file) => readFileSync(packages + file, "utf8").includes("Math.random"));
  expect(drawing).toEqual([]);
});
