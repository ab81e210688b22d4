import { join } from "node:path";
import { embeddedTrace } from "@kpkeys/workloads/node";
import type { RunReport } from "@kpkeys/workloads/report";
import { describe, expect, test } from "vitest";
import type { CheckPluginReport, LoadedPlugin } from "../../src/index.js";
import { kpkeysIn } from "./kpkeys.js";
import type { Outcome } from "./kpkeys.js";
import { feature, packageIn, project, write } from "./plugin-packages.js";
import { PATIENT } from "./plugin-modules.js";

const MINE = packageIn("mine", "mine", feature("mine"));

/** How often a feature was set up. */
const setUps = ({ stderr }: Outcome, id: string): number => stderr.split(`set up: ${id}\n`).length - 1;

/** The ids of the loaded plugins, without the bundled ones. */
function loadedIn(folder: string, ...args: string[]): string[] {
  const { status, stdout, stderr } = kpkeysIn(folder, "plugins", "--json", ...args);
  expect([status, stderr.replace(/^kpkeys: configuration: .*\n/, "")]).toEqual([0, ""]);
  const loaded = JSON.parse(stdout) as LoadedPlugin[];
  expect(loaded.slice(0, 6).map(({ id }) => id)).toEqual([
    "arm64-poe",
    "x86-pks",
    "pgtables",
    "cred",
    "bpf",
    "secrets",
  ]);
  return loaded.slice(6).map(({ id }) => id);
}

/** Asserts status 2, one code on stderr and no stack. */
function expectFailure({ status, stdout, stderr }: Outcome, code: string, text: string): void {
  expect([status, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(new RegExp(`^(kpkeys: configuration: .*\\n)?kpkeys: ${code}: .*\\n$`));
  expect(stderr).toContain(text);
  expect(stderr).not.toContain("    at ");
}

describe("--plugin", () => {
  test("loads a package with another copy of core by path, by name and from its own folder", () => {
    const folder = project({ ...MINE, ...packageIn("node_modules/kpkeys-other", "other", feature("other")) });
    expect(loadedIn(folder, "--plugin", "./mine", "--plugin", "kpkeys-other")).toEqual(["mine", "other"]);
    expect(loadedIn(folder, "--plugin", "mine/index.js")).toEqual(["mine"]);
    expect(loadedIn(join(folder, "mine"), "--plugin", ".", "--plugin", "../mine")).toEqual(["mine"]);
    expect(loadedIn(folder)).toEqual([]);
  });

  test("is listed by `plugins`", () => {
    const folder = project(MINE);
    const { stdout } = kpkeysIn(folder, "plugins", "--plugin", "./mine", "--json");
    const expected = {
      id: "mine",
      kind: "feature",
      version: "1.2.3",
      contract: 2,
      file: join(folder, "mine/index.js"),
    };
    expect((JSON.parse(stdout) as LoadedPlugin[]).at(-1)).toEqual(expected);
  });

  test("loads a default export, named exports and arrays", () => {
    const module = `${feature("one")} export default { ...plugin, id: "two" };
      export const more = [plugin, { ...plugin, id: "three" }];`;
    const folder = project(packageIn("mine", "mine", module));
    expect(loadedIn(folder, "--plugin", "./mine").sort()).toEqual(["one", "three", "two"]);
  });

  test("accepts a bundled plugin by name", () => {
    expect(loadedIn(project({}), "--plugin", "@kpkeys/cred-hardening")).toEqual([]);
  });

  test("adds a feature to the machines of all workers, unless --feature omits it", () => {
    const folder = project(MINE);
    const replay = ["replay", embeddedTrace.trace, "--until", "100", "--policy", "off,naive,batched", "--json"];
    const outcome = kpkeysIn(folder, ...replay, "--plugin", "./mine");
    expect([outcome.status, setUps(outcome, "mine")]).toEqual([0, 4]);
    expect((JSON.parse(outcome.stdout) as RunReport).arches).toHaveLength(2);
    expect(setUps(kpkeysIn(folder, ...replay, "--plugin", "./mine", "--feature", "pgtables"), "mine")).toBe(0);
  });

  test.each([
    [["attack"], 2],
    [["kunit"], 2],
    [["budget"], 2],
    [["kunit", "--feature", "pgtables,mine", "--arch", "x86-pks"], 1],
  ])("reaches %j", (args, machines) => {
    const outcome = kpkeysIn(project(MINE), ...args, "--plugin", "./mine");
    expect([outcome.status, setUps(outcome, "mine")]).toEqual([0, machines]);
  });

  test.each([
    ["run", ["--plugin", "nothere"], "ERR_PLUGIN_MISSING", "'nothere'"],
    ["run", ["--plugin", "fs"], "ERR_PLUGIN_MISSING", "'fs'"],
    ["run", ["--plugin", "./nothere"], "ERR_INPUT_MISSING", "nothere"],
    ["run", ["--plugin", "./none"], "ERR_PLUGIN_LOAD", "./none"],
    ["run", ["--plugin", "./throws"], "ERR_PLUGIN_LOAD", "no luck"],
    ["run", ["--plugin", "./old"], "ERR_PLUGIN_CONTRACT", "'old'"],
    ["run", ["--plugin", "./mine", "--plugin", "./again"], "ERR_PLUGIN_DUPLICATE", "again/index.js"],
    ["run", ["--plugin", "./cred"], "ERR_PLUGIN_DUPLICATE", "@kpkeys/cred-hardening"],
    ["run", ["--plugin", "./mine", "--feature", "yours"], "ERR_USAGE", "pgtables, cred, bpf, secrets, mine"],
    ["show", ["--plugin", "./mine", "--arch", "mine"], "ERR_USAGE", "arm64-poe, x86-pks"],
    ["overhead", ["--plugin", "./mine"], "ERR_USAGE", "--what-if"],
  ])("rejects %s %j", (command, args, code, text) => {
    const folder = project({
      ...MINE,
      ...packageIn("none", "none", "export const nothing = 1;"),
      ...packageIn("throws", "throws", "throw new Error('no luck');"),
      ...packageIn("old", "old", feature("old", 1)),
      ...packageIn("again", "mine", feature("mine")),
      ...packageIn("cred", "cred", feature("cred")),
    });
    expectFailure(kpkeysIn(folder, command, ...args), code, text);
  });
});

describe("a package with another copy of core", () => {
  test("can be checked in its own folder", () => {
    const { stdout } = kpkeysIn(join(project(MINE), "mine"), "check-plugin", ".", "--json", ...PATIENT);
    const { plugins } = JSON.parse(stdout) as CheckPluginReport;
    const { id, rules } = plugins[0]!;
    expect([id, rules.find(({ rule }) => rule === "feature/deterministic")!.status]).toEqual(["mine", "ok"]);
  });

  test("is in a budget, as a module, as a plugin, or as both", () => {
    const folder = join(project(MINE), "mine");
    for (const args of [["."], ["--plugin", "."], [".", "--plugin", "."]]) {
      const { status, stdout } = kpkeysIn(folder, "budget", ...args, "--arch", "x86-pks", "--json", ...PATIENT);
      expect([status, (JSON.parse(stdout) as { arches: object[] }).arches]).toMatchObject([
        0,
        [{ features: ["pgtables", "cred", "bpf", "secrets", "mine"] }],
      ]);
    }
  });
});

describe("kpkeys.config.*", () => {
  const forms = {
    "kpkeys.config.json": '{ "plugins": ["./mine"] }',
    "kpkeys.config.js": 'import { defineConfig } from "kpkeys"; export default defineConfig({ plugins: ["./mine"] });',
    "kpkeys.config.mjs": 'import { plugin } from "./mine/index.js"; export default { plugins: [plugin] };',
    "kpkeys.config.ts": `import { defineConfig, type KpkeysConfig } from "kpkeys";
      import { plugin } from "./mine/index.js";
      const config: KpkeysConfig = { plugins: [plugin] };
      export default defineConfig(config satisfies KpkeysConfig);`,
  };

  test.each(Object.entries(forms))(
    "%s loads plugins in the folders below, and its path is printed on stderr",
    (name, text) => {
      const folder = project({ ...MINE, [name]: text, "below/README": "" });
      const { stderr } = kpkeysIn(join(folder, "below"), "plugins");
      expect(stderr).toBe(`kpkeys: configuration: ${join(folder, name)}\n`);
      expect(loadedIn(join(folder, "below"))).toEqual(["mine"]);
      expect(loadedIn(folder, "--no-config")).toEqual([]);
      expect(loadedIn(folder, "--plugin", "./mine")).toEqual(["mine"]);
    },
  );

  test.each(["kpkeys.config.mjs", "kpkeys.config.ts"] as const)("%s passes plugin objects to workers", (name) => {
    const folder = project({ ...MINE, [name]: forms[name] });
    const args = ["--until", "100", "--policy", "naive,batched", "--arch", "x86-pks"];
    const outcome = kpkeysIn(folder, "replay", embeddedTrace.trace, ...args);
    expect([outcome.status, setUps(outcome, "mine")]).toEqual([0, 2]);
  });

  test.each([
    ["kpkeys.config.json", '{\n  "plugins": [,]\n}', "ERR_PLUGIN_CONFIG", "kpkeys.config.json:2: "],
    ["kpkeys.config.json", '{ "plugins": ["gone"] }', "ERR_PLUGIN_MISSING", "gone"],
    ["kpkeys.config.js", "export const plugins = [];", "ERR_PLUGIN_CONFIG", "default export"],
    ["kpkeys.config.js", "export default { plugin: [] };", "ERR_PLUGIN_CONFIG", "plugin: "],
    ["kpkeys.config.js", "export default {\n  plugins: [\n};", "ERR_PLUGIN_CONFIG", "kpkeys.config.js:3: "],
    ["kpkeys.config.js", "export default { plugins: [{ id: 'x' }] };", "ERR_PLUGIN_LOAD", "kpkeys.config.js"],
    ["kpkeys.config.mjs", "\nthrow new Error('no luck');", "ERR_PLUGIN_CONFIG_THROWS", "kpkeys.config.mjs:2: "],
    ["kpkeys.config.ts", "export default {\n  plugins: [;\n}", "ERR_PLUGIN_CONFIG", "kpkeys.config.ts:2: "],
    ["kpkeys.config.ts", "\nconst no: string = luck;", "ERR_PLUGIN_CONFIG_THROWS", "kpkeys.config.ts:2: "],
  ])("%s with %j is rejected", (name, text, code, part) => {
    const folder = project({});
    write(folder, { [name]: text });
    expectFailure(kpkeysIn(folder, "run"), code, part);
  });
});
