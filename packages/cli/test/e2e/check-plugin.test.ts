import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import type { CheckPluginReport } from "../../src/index.js";
import { jsonOf, kpkeys, LONG } from "./kpkeys.js";

const PACKAGES = fileURLToPath(new URL("../../../", import.meta.url));

/** A module of its own in a file. */
function moduleOf(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "kpkeys-plugin-")), "plugin.mjs");
  writeFileSync(path, text);
  return path;
}

/** A module that exports the x86 architecture with its set-up followed by some other code. */
function brokenX86(code: string): string {
  const url = (name: string): string => JSON.stringify(pathToFileURL(`${PACKAGES}${name}`).href);
  return moduleOf(`
    import { x86Pks } from ${url("arch-x86-pks/dist/index.js")};
    import { provide, resolve } from ${url("core/dist/index.js")};
    import { KpkeysArch, PkeyRegister } from ${url("core/dist/contracts/index.js")};
    export const broken = { ...x86Pks, setup(container, options) { x86Pks.setup(container, options); ${code} } };
  `);
}

describe("kpkeys check-plugin", () => {
  test("passes a package that keeps every rule", { timeout: LONG }, () => {
    const { status, document } = jsonOf("check-plugin", `${PACKAGES}arch-x86-pks`);
    expect(status).toBe(0);
    const { package: name, plugins } = document as CheckPluginReport;
    expect(name).toBe("@kpkeys/arch-x86-pks");
    expect(plugins).toHaveLength(1);
    expect(plugins[0]).toMatchObject({ id: "x86-pks", kind: "arch", counts: { failed: 0, skipped: 0 } });
    expect(plugins[0]!.counts.ok).toBe(plugins[0]!.rules.length);
  });

  test("fails a module that breaks a rule, by the rule's name and with what was found", { timeout: LONG }, () => {
    const path = brokenX86("provide(container, PkeyRegister, { ...resolve(container, PkeyRegister), unused: 'r' });");
    const { status, stdout, stderr } = kpkeys("check-plugin", path);
    expect({ status, stderr }).toEqual({ status: 1, stderr: "" });
    expect(stdout).toMatch(
      /^failed {3}register\/initial {9}after reset key 0 is read-write.*\n {9}unused keys have r, none expected$/m,
    );
    expect(stdout).toMatch(
      /^skipped {2}surface\/imports .*\n {9}not judged: the files of its package are not at hand$/m,
    );
    expect(stdout).toMatch(/^52 rules: \d+ ok, [1-9]\d* failed, 1 skipped$/m);
  });

  test.each([
    ["a path where nothing is", () => "/nowhere/at/all", "ERR_INPUT_MISSING", "there is no such file or folder"],
    ["a folder that is no package", () => mkdtempSync(join(tmpdir(), "kpkeys-")), "ERR_INPUT_MISSING", "package.json"],
    ["a package without a plugin", () => `${PACKAGES}kernel`, "ERR_PLUGIN_LOAD", "it exports no plugin"],
    ["a module that throws", () => moduleOf("throw new Error('no luck')"), "ERR_PLUGIN_LOAD", "no luck"],
    ["what is no module", () => `${PACKAGES}kernel/README.md`, "ERR_PLUGIN_LOAD", ".md"],
  ])("refuses %s in one line", { timeout: LONG }, (_, path, code, words) => {
    const { status, stdout, stderr } = kpkeys("check-plugin", path());
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(new RegExp(`^kpkeys: ${code}: .*\\n$`));
    expect(stderr).toContain(words);
    expect(stderr).toContain("expected");
  });
});
