import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";

const core = fileURLToPath(new URL("../../../core", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "kpkeys-core-copies-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Loads builds of core, as packages that do not share one would, and registers a plugin with the first; gives the error's line. */
function registerWith(...copies: readonly string[]): string {
  const imports = copies.map((copy) => `await import(${JSON.stringify(join(copy, "dist/index.js"))})`);
  const program = `
    const [{ createPluginRegistry }] = [${imports.join(", ")}];
    try {
      createPluginRegistry([{ id: "one", kind: "feature", description: "one", contract: 2, setup() {} }]);
      console.log("registered");
    } catch (error) {
      console.log(error.code, error.message);
    }`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  return stdout.trimEnd();
}

test("two copies of core in one process are refused, with where they are and what to do", () => {
  for (const part of ["package.json", "dist"]) cpSync(join(core, part), join(folder, part), { recursive: true });
  symlinkSync(join(core, "../../node_modules"), join(folder, "node_modules"));
  expect(registerWith(core)).toBe("registered");
  expect(registerWith(core, core)).toBe("registered");
  const refusal = registerWith(core, folder);
  expect(refusal).toMatch(/^ERR_CORE_DUPLICATE 2 copies of @kpkeys\/core are loaded: .*; expected one: `npm ls/);
  expect(refusal).toContain(`file://${folder}/`);
});
