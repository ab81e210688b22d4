import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import type { CheckPluginReport } from "../../src/index.js";
import { kpkeys, LONG } from "./kpkeys.js";

/** All that stderr has when nothing goes wrong: that code of a package is run. */
const NOTICE = /^kpkeys: running the code of [^\n]+\n$/;
/** For machines that do other things too. */
const PATIENT = ["--timeout", "170"];

const PACKAGES = fileURLToPath(new URL("../../../", import.meta.url));

/** A module of its own in a file. */
function moduleOf(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "kpkeys-plugin-")), "plugin.mjs");
  writeFileSync(path, text);
  return path;
}

/** A feature that does nothing but what its setup is given to do. */
function plugin(setup: string): string {
  return `export const p = { id: "x", kind: "feature", description: "d", contract: 1, setup() { ${setup} } };`;
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
    const { status, stdout, stderr } = kpkeys("check-plugin", `${PACKAGES}arch-x86-pks`, "--json", ...PATIENT);
    expect(status).toBe(0);
    expect(stderr).toMatch(NOTICE);
    const { package: name, plugins } = JSON.parse(stdout) as CheckPluginReport;
    expect(name).toBe("@kpkeys/arch-x86-pks");
    expect(plugins).toHaveLength(1);
    expect(plugins[0]).toMatchObject({ id: "x86-pks", kind: "arch", counts: { failed: 0, skipped: 0 } });
    expect(plugins[0]!.counts.ok).toBe(plugins[0]!.rules.length);
  });

  test("fails a module that breaks a rule, by the rule's name and with what was found", { timeout: LONG }, () => {
    const path = brokenX86("provide(container, PkeyRegister, { ...resolve(container, PkeyRegister), unused: 'r' });");
    const { status, stdout, stderr } = kpkeys("check-plugin", path, ...PATIENT);
    expect(status).toBe(1);
    expect(stderr).toMatch(NOTICE);
    expect(stdout).toMatch(
      /^failed {3}register\/initial {9}after reset key 0 is read-write.*\n {9}unused keys have r, none expected$/m,
    );
    expect(stdout).toMatch(
      /^skipped {2}surface\/imports .*\n {9}not judged: the files of its package are not at hand$/m,
    );
    expect(stdout).toMatch(/^\d+ rules: \d+ ok, [1-9]\d* failed, 1 skipped$/m);
  });

  test.each([
    ["a path where nothing is", () => "/nowhere/at/all", "ERR_INPUT_MISSING"],
    ["a path that is too long", () => "n".repeat(300), "ERR_INPUT_MISSING"],
    ["a device", () => "/dev/zero", "ERR_INPUT_KIND"],
    ["a folder that is no package", () => mkdtempSync(join(tmpdir(), "kpkeys-")), "ERR_INPUT_MISSING"],
    ["a package without a plugin", () => `${PACKAGES}kernel`, "ERR_PLUGIN_LOAD"],
    ["what is no module", () => `${PACKAGES}kernel/README.md`, "ERR_PLUGIN_LOAD"],
  ])("refuses %s", { timeout: LONG }, (_, path, code) => {
    refused([path()], code);
  });

  test.each([
    ["throws", "throw new Error('no luck')", "ERR_PLUGIN_LOAD"],
    ["throws what is no error", "throw { toString() { throw 1 } }", "ERR_PLUGIN_LOAD"],
    ["ends the process with status 0", "process.exit(0)", "ERR_PLUGIN_LOAD"],
    ["ends it in its setup", plugin("process.exit(0)"), "ERR_PLUGIN_LOAD"],
    ["waits for nothing", "await new Promise(() => {})", "ERR_PLUGIN_LOAD"],
    ["does not end", "for (;;);", "ERR_PLUGIN_TIMEOUT"],
    ["does not end in its setup", plugin("for (;;);"), "ERR_PLUGIN_TIMEOUT"],
    [
      "has a getter that throws",
      `${plugin("")} Object.defineProperty(p, "id", { get() { throw 1 } })`,
      "ERR_PLUGIN_INVALID",
    ],
    ["exports a proxy that throws", "export const p = new Proxy({}, { has() { throw 1 } })", "ERR_PLUGIN_INVALID"],
    ["replaces a built-in function", `${plugin("")} Array.prototype.push = () => 0`, "ERR_PLUGIN_INVALID"],
    ["throws from a timer", `${plugin("")} setTimeout(() => { throw new Error("late") }, 1)`, "ERR_PLUGIN_INVALID"],
    ["leaves a promise without a handler", `${plugin("")} Promise.reject(1)`, "ERR_PLUGIN_INVALID"],
    ["has an id that no document can hold", `${plugin("")} p.id = 1n`, "ERR_PLUGIN_INVALID"],
    ["answers in the kit's place", `process.send?.({ reply: { result: "{}" } }); process.exit(0)`, "ERR_PLUGIN_LOAD"],
  ])("refuses a module that %s", { timeout: LONG }, (_, text, code) => {
    const limit = code === "ERR_PLUGIN_TIMEOUT" ? ["--timeout", "2"] : PATIENT;
    refused([moduleOf(text), ...limit], code);
  });

  test("judges a module that prints, leaves a timer and has an asynchronous setup", { timeout: LONG }, () => {
    const path = moduleOf(
      `export const p = { id: "x", kind: "feature", description: "d", contract: 1, async setup() { throw new Error("late") } };
       console.log("{}"); setInterval(() => {}, 1000);`,
    );
    const { status, stdout, stderr } = kpkeys("check-plugin", path, "--json", ...PATIENT);
    expect(status).toBe(1);
    expect((JSON.parse(stdout) as CheckPluginReport).plugins[0]!.counts.failed).toBeGreaterThan(0);
    expect(stderr).toContain("{}");
    expect(stderr).not.toContain("    at ");
  });

  test("budget runs the code of modules in the same way", { timeout: LONG }, () => {
    for (const [text, code, limit] of [
      ["await new Promise(() => {})", "ERR_PLUGIN_LOAD", PATIENT],
      ["for (;;);", "ERR_PLUGIN_TIMEOUT", ["--timeout", "2"]],
    ] as const) {
      const { status, stdout, stderr } = kpkeys("budget", moduleOf(text), "--json", ...limit);
      expect({ status, ...(JSON.parse(stdout) as object) }).toMatchObject({ status: 2, arches: [], error: { code } });
      expect(stderr).toContain(`kpkeys: ${code}: `);
    }
    const good = kpkeys("budget", moduleOf(plugin("")), "--json", ...PATIENT);
    expect(good.status).toBe(0);
    expect((JSON.parse(good.stdout) as { arches: unknown[] }).arches).toHaveLength(2);
  });
});

/** Status 2, the code on stderr without a stack, and a document all the same. */
function refused(args: readonly string[], code: string): void {
  const { status, stdout, stderr } = kpkeys("check-plugin", ...args, "--json");
  expect({ status, ...(JSON.parse(stdout) as object) }).toMatchObject({ status: 2, plugins: [], error: { code } });
  expect(stderr).toMatch(new RegExp(`(^|\\n)kpkeys: ${code}: .*; expected .*\\n$`));
  expect(stderr).not.toContain("    at ");
}
