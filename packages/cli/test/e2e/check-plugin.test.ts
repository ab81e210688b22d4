import { rulesFor } from "@kpkeys/kunit-suite/conformance";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import type { CheckPluginReport } from "../../src/index.js";
import { kpkeys } from "./kpkeys.js";
import { moduleOf, PATIENT, expectPluginRejection } from "./plugin-modules.js";

/** The only line on stderr without an error: the notice that the code of a package runs. */
const NOTICE = /^kpkeys: running the code of [^\n]+\n$/;

const PACKAGES = fileURLToPath(new URL("../../../", import.meta.url));

/** A module that exports the x86 architecture, with code added to its setup. */
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
  test("passes a package that keeps every rule", () => {
    const { status, stdout, stderr } = kpkeys("check-plugin", `${PACKAGES}arch-x86-pks`, "--json", ...PATIENT);
    expect(status).toBe(0);
    expect(stderr).toMatch(NOTICE);
    const { package: name, plugins } = JSON.parse(stdout) as CheckPluginReport;
    expect(name).toBe("@kpkeys/arch-x86-pks");
    expect(plugins).toHaveLength(1);
    expect(plugins[0]).toMatchObject({
      id: "x86-pks",
      kind: "arch",
      counts: { failed: 0, "not judged": 0 },
    });
    // The rules of frame keys are for architectures without keys in their entries.
    const { rules, counts } = plugins[0]!;
    const skipped = rules.filter(({ status }) => status === "skipped").map(({ rule }) => rule);
    expect(skipped.every((rule) => rule.startsWith("frame-keys/"))).toBe(true);
    expect(counts.ok).toBe(rules.length - skipped.length);
  });

  test("fails a module that breaks a rule, with the name of the rule and the finding", () => {
    const path = brokenX86("provide(container, PkeyRegister, { ...resolve(container, PkeyRegister), unused: 'r' });");
    const { status, stdout, stderr } = kpkeys("check-plugin", path, ...PATIENT);
    expect(status).toBe(1);
    expect(stderr).toMatch(NOTICE);
    expect(stdout).toMatch(/^failed {6}register\/initial .*\n {12}\S/m);
    expect(stdout).toMatch(/^skipped {5}surface\/imports .*\n {12}skipped: \S/m);
    const all = rulesFor("arch").length;
    expect(stdout).toMatch(new RegExp(`^${all} rules: \\d+ ok, [1-9]\\d* failed, 0 not judged, \\d+ skipped$`, "m"));
  });

  test("prints the cause that ends every check once, and the rules that it leaves unjudged", () => {
    const path = moduleOf(`
      export const unbootable = { id: "unbootable", kind: "feature", description: "throws", contract: 2, setup() {
        throw new Error("no luck");
      } };
    `);
    const { status, stdout } = kpkeys("check-plugin", path, ...PATIENT);
    expect(status).toBe(1);
    expect(stdout.match(/no luck/g)).toHaveLength(1);
    expect(stdout).toMatch(/^not judged {2}feature\/suites .*\n {12}not judged: \S/m);
    expect(stdout).toMatch(/, 1 failed, [1-9]\d* not judged, 1 skipped$/m);
  });

  test("names the package to install if an import is missing", () => {
    const path = moduleOf('import "@acme/not-installed";');
    expectPluginRejection([path], "ERR_PLUGIN_LOAD");
    expect(kpkeys("check-plugin", path).stderr).toContain("npm install @acme/not-installed");
  });

  test.each([
    ["a path that does not exist", () => "/nowhere/at/all", "ERR_INPUT_MISSING"],
    ["a path that is too long", () => "n".repeat(300), "ERR_INPUT_MISSING"],
    ["a device", () => "/dev/zero", "ERR_INPUT_KIND"],
    ["a folder that is not a package", () => mkdtempSync(join(tmpdir(), "kpkeys-")), "ERR_INPUT_MISSING"],
    ["a package without a plugin", () => `${PACKAGES}kernel`, "ERR_PLUGIN_LOAD"],
    ["a module that throws", () => moduleOf("throw new Error('no luck')"), "ERR_PLUGIN_LOAD"],
    ["a file that is not a module", () => `${PACKAGES}kernel/README.md`, "ERR_PLUGIN_LOAD"],
  ])("rejects %s", (_, path, code) => {
    expectPluginRejection([path()], code);
  });
});
