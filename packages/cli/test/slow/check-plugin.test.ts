import { describe, expect, test } from "vitest";
import type { CheckPluginReport } from "../../src/index.js";
import { kpkeys } from "../e2e/kpkeys.js";
import { moduleOf, PATIENT, expectPluginRejection } from "../e2e/plugin-modules.js";

/** A feature with the given code in its setup. */
function plugin(setup: string): string {
  return `export const p = { id: "x", kind: "feature", description: "d", contract: 2, setup() { ${setup} } };`;
}

describe("kpkeys check-plugin", () => {
  test.each([
    ["throws a value that is not an error", "throw { toString() { throw 1 } }", "ERR_PLUGIN_LOAD"],
    ["ends the process with status 0", "process.exit(0)", "ERR_PLUGIN_LOAD"],
    ["ends the process in its setup", plugin("process.exit(0)"), "ERR_PLUGIN_LOAD"],
    ["awaits a promise that never settles", "await new Promise(() => {})", "ERR_PLUGIN_LOAD"],
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
    ["has an id that JSON cannot represent", `${plugin("")} p.id = 1n`, "ERR_PLUGIN_INVALID"],
    ["sends a forged reply", `process.send?.({ reply: { result: "{}" } }); process.exit(0)`, "ERR_PLUGIN_LOAD"],
  ])("rejects a module that %s", (_, text, code) => {
    const limit = code === "ERR_PLUGIN_TIMEOUT" ? ["--timeout", "2"] : PATIENT;
    expectPluginRejection([moduleOf(text), ...limit], code);
  });

  test("checks a module that prints, leaves a timer and has an asynchronous setup", () => {
    const path = moduleOf(
      `export const p = { id: "x", kind: "feature", description: "d", contract: 2, async setup() { throw new Error("late") } };
       console.log("{}"); setInterval(() => {}, 1000);`,
    );
    const { status, stdout, stderr } = kpkeys("check-plugin", path, "--json", ...PATIENT);
    expect(status).toBe(1);
    expect((JSON.parse(stdout) as CheckPluginReport).plugins[0]!.counts.failed).toBeGreaterThan(0);
    expect(stderr).toContain("{}");
    expect(stderr).not.toContain("    at ");
  });

  test("budget runs the code of modules in the same way", () => {
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
