import { createContainer, createPluginRegistry, KpkeysError } from "../../src/index.js";
import { CONTRACT_VERSION } from "../../src/contracts/index.js";
import type { ConfigSymbol, Plugin } from "../../src/contracts/index.js";
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { codeOf } from "../code-of.js";
import "./open-types.js";

function plugin(id: string, more: Partial<Plugin> = {}): Plugin {
  return { id, kind: "feature", description: "of a test", contract: 2, setup: () => undefined, ...more };
}

function arch(id: string, config: readonly ConfigSymbol[] = []): Plugin {
  return plugin(id, { kind: "arch", config });
}

/** Sets the plugins up in a fresh container. @returns their ids in the order of set-up */
function order(plugins: readonly Plugin[], archId: string, features: readonly string[]): string[] {
  const registry = createPluginRegistry(plugins);
  return registry.setUp(createContainer(), archId, features).plugins.map(({ id }) => id);
}

describe("a plugin is rejected", () => {
  const well = plugin("well-formed");

  it.each<[string, unknown]>([
    ["that is undefined", undefined],
    ["that is a function", () => undefined],
    ["without an id", { ...well, id: undefined }],
    ["with an empty id", { ...well, id: "" }],
    ["with capitals in its id", { ...well, id: "PgTables" }],
    ["with two hyphens in its id", { ...well, id: "pg--tables" }],
    ["of another kind", { ...well, kind: "tool" }],
    ["without a description", { ...well, description: " " }],
    ["with a description of two lines", { ...well, description: "one\ntwo" }],
    ["without a contract version", { ...well, contract: undefined }],
    ["without a setup", { ...well, setup: undefined }],
    ["that names its dependencies by id", { ...well, dependencies: ["arm64-poe"] }],
    ["whose dependencies are not a list", { ...well, dependencies: well }],
    ["whose dependency is malformed", { ...well, dependencies: [{ id: "x", dependencies: 5 }] }],
    ["whose config symbol has its prefix", { ...well, config: [{ symbol: "CONFIG_KPKEYS" }] }],
    ["whose config symbol selects a string", { ...well, config: [{ symbol: "KPKEYS", selects: "A" }] }],
  ])("%s", (_what, candidate) => {
    expect(codeOf(() => createPluginRegistry([candidate as Plugin]))).toBe("ERR_PLUGIN_INVALID");
  });

  it("of any shape, with a coded error of one line", () => {
    fc.assert(
      fc.property(fc.anything(), (anything) => {
        try {
          createPluginRegistry([anything as Plugin]);
        } catch (error) {
          expect(error).toBeInstanceOf(KpkeysError);
          expect((error as KpkeysError).message).toMatch(/; expected /);
        }
      }),
    );
  });

  it.each([0, 1, 3, 1.5, -1])("that was written against version %d of the contracts", (contract) => {
    const error = thrownBy(() => createPluginRegistry([plugin("other", { contract: contract as 2 })]));
    expect(error.code).toBe("ERR_PLUGIN_CONTRACT");
    expect(error.where).toBe("plugin 'other'");
    expect(error.message).toContain(`version ${contract} of the contracts`);
  });

  it.each([
    ["an architecture", { kind: "arch", exercise: () => undefined }],
    ["that is not a function", { exercise: {} }],
  ])("with an exercise of %s", (_, fields) => {
    const broken = { ...plugin("other"), ...fields } as unknown as Plugin;
    expect(codeOf(() => createPluginRegistry([broken]))).toBe("ERR_PLUGIN_INVALID");
    expect(createPluginRegistry([{ ...plugin("other"), exercise: () => undefined }]).plugins).toHaveLength(1);
  });

  it("that was written against an older version, with the change in words and the page of this package", () => {
    const error = thrownBy(() => createPluginRegistry([plugin("other", { contract: 1 as 2 })]));
    expect(error.message).toContain(`contract: ${CONTRACT_VERSION}`);
    const page = `migration-${CONTRACT_VERSION}.md`;
    expect(error.message).toContain(page);
    const root = new URL("../../", import.meta.url);
    const migration = readFileSync(new URL(page, root), "utf8");
    const { files } = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as { files: string[] };
    expect(files).toContain(page);
    for (const name of ["toPfn", "toVpn", "toPkey", "!== 0"]) {
      expect(error.message).toContain(name);
      expect(migration).toContain(name);
    }
  });

  it("whose id is registered already, also by the same plugin", () => {
    expect(codeOf(() => createPluginRegistry([plugin("one"), plugin("one")]))).toBe("ERR_PLUGIN_DUPLICATE");
    expect(codeOf(() => createPluginRegistry([well, well]))).toBe("ERR_PLUGIN_DUPLICATE");
  });

  it("whose dependency is not registered, or only as another copy", () => {
    const base = plugin("base");
    const user = plugin("user", { dependencies: [base] });
    expect(codeOf(() => createPluginRegistry([user]))).toBe("ERR_PLUGIN_DEPENDENCY");
    expect(codeOf(() => createPluginRegistry([plugin("base"), user]))).toBe("ERR_PLUGIN_DEPENDENCY");
    expect(codeOf(() => createPluginRegistry([base, user]))).toBe("nothing thrown");
  });

  it("with a circular dependency, which the error shows", () => {
    const circle: Plugin[] = [];
    const first = plugin("first", { dependencies: circle });
    const second = plugin("second", { dependencies: [first] });
    circle.push(second);
    const error = thrownBy(() => createPluginRegistry([first]));
    expect(error.code).toBe("ERR_PLUGIN_DEPENDENCY");
    expect(error.message).toContain("first -> second -> first");
  });
});

describe("a machine", () => {
  const arm = arch("arm64-poe");
  const x86 = arch("x86-pks");

  it("has exactly one architecture", () => {
    expect(order([arm, x86], "x86-pks", [])).toEqual(["x86-pks"]);
    expect(codeOf(() => order([arm, x86], "riscv", []))).toBe("ERR_PLUGIN_ARCH");
    expect(codeOf(() => order([arm, plugin("pgtables")], "pgtables", []))).toBe("ERR_PLUGIN_ARCH");
    expect(codeOf(() => order([arm, x86], "arm64-poe", ["x86-pks"]))).toBe("ERR_PLUGIN_ARCH");
    expect(codeOf(() => order([], "arm64-poe", []))).toBe("ERR_PLUGIN_ARCH");
  });

  it("rejects unknown and repeated features, and options for plugins that it does not have", () => {
    const registry = createPluginRegistry([arm, plugin("pgtables")]);
    const setUp = (features: string[], options = {}) =>
      registry.setUp(createContainer(), "arm64-poe", features, options);
    expect(codeOf(() => setUp(["cred"]))).toBe("ERR_SPEC");
    expect(codeOf(() => setUp(["pgtables", "pgtables"]))).toBe("ERR_SPEC");
    expect(codeOf(() => setUp([], { pgtables: {} }))).toBe("ERR_SPEC");
  });

  it("rejects a feature without its dependency", () => {
    const base = plugin("base");
    const user = plugin("user", { dependencies: [base] });
    expect(codeOf(() => order([arm, base, user], "arm64-poe", ["user"]))).toBe("ERR_PLUGIN_DEPENDENCY");
  });

  it("sets up the architecture first and each feature after its dependencies, otherwise in the order asked for", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(20), { maxLength: 4 }), { minLength: 1, maxLength: 12 }),
        fc.infiniteStream(fc.nat()),
        (graph, random) => {
          const features: Plugin[] = [];
          graph.forEach((edges, index) => {
            const dependencies = [...new Set(edges.filter((edge) => edge < index))].map((edge) => features[edge]!);
            features.push(plugin(`f${index}`, { dependencies }));
          });
          const asked = features.map(({ id }) => ({ id, key: random.next().value as number }));
          asked.sort((a, b) => a.key - b.key);
          const ids = order(
            [arm, ...features],
            "arm64-poe",
            asked.map(({ id }) => id),
          );
          expect(ids[0]).toBe("arm64-poe");
          expect([...ids].sort()).toEqual(["arm64-poe", ...features.map(({ id }) => id)].sort());
          for (const { id, dependencies } of features) {
            for (const dependency of dependencies ?? [])
              expect(ids.indexOf(dependency.id)).toBeLessThan(ids.indexOf(id));
          }
        },
      ),
    );
    expect(order([arm, plugin("a"), plugin("b"), plugin("c")], "arm64-poe", ["c", "a", "b"])).toEqual([
      "arm64-poe",
      "c",
      "a",
      "b",
    ]);
  });

  it("passes each plugin its container and options", () => {
    const seen: unknown[] = [];
    const container = createContainer();
    const feature = plugin("pgtables", { setup: (given, options) => seen.push(given === container, options) });
    const other = plugin("cred", { setup: (_given, options) => seen.push(options) });
    createPluginRegistry([arm, feature, other]).setUp(container, "arm64-poe", ["pgtables", "cred"], {
      pgtables: { batching: false },
    });
    expect(seen).toEqual([true, { batching: false }, {}]);
  });

  it("passes on a coded error of a set-up, and adds code and place to any other error", () => {
    const coded = plugin("coded", {
      setup: () => {
        throw new KpkeysError("ERR_SPEC", "unknown option 'x'");
      },
    });
    const broken = plugin("broken", {
      setup: () => {
        throw new TypeError("x is undefined");
      },
    });
    expect(codeOf(() => order([arm, coded], "arm64-poe", ["coded"]))).toBe("ERR_SPEC");
    const error = thrownBy(() => order([arm, broken], "arm64-poe", ["broken"]));
    expect(error.code).toBe("ERR_PLUGIN_INVALID");
    expect(error.message).toContain("plugin 'broken': its setup failed: x is undefined");
    expect(error.cause).toBeInstanceOf(TypeError);
  });

  it("rejects an asynchronous set-up", () => {
    const setup: unknown = () => Promise.reject(new Error("late"));
    const late = plugin("late", { setup: setup as () => void });
    expect(codeOf(() => order([arm, late], "arm64-poe", ["late"]))).toBe("ERR_PLUGIN_INVALID");
  });
});

describe("config symbols", () => {
  const hardened = plugin("pgtables", {
    config: [{ symbol: "KPKEYS_HARDENED_PGTABLES", dependsOn: ["ARCH_HAS_KPKEYS_HARDENED_PGTABLES"] }],
  });

  it("that a symbol depends on must be on: those of a plugin, or selected at any depth", () => {
    const able = arch("able", [
      { symbol: "ARM64_POE", selects: ["ARCH_HAS_KPKEYS"] },
      { symbol: "ARCH_HAS_KPKEYS", selects: ["ARCH_HAS_KPKEYS_HARDENED_PGTABLES"] },
    ]);
    const registry = createPluginRegistry([able, hardened]);
    expect([...registry.setUp(createContainer(), "able", ["pgtables"]).config].sort()).toEqual([
      "ARCH_HAS_KPKEYS",
      "ARCH_HAS_KPKEYS_HARDENED_PGTABLES",
      "ARM64_POE",
      "KPKEYS_HARDENED_PGTABLES",
    ]);
  });

  it("that are off make the set-up fail before any plugin is set up", () => {
    let setUps = 0;
    const unable = plugin("unable", { kind: "arch", config: [{ symbol: "ARM64_POE" }], setup: () => setUps++ });
    const error = thrownBy(() => order([unable, hardened], "unable", ["pgtables"]));
    expect(error.code).toBe("ERR_CONFIG_DEPENDS");
    expect(error.message).toContain("CONFIG_KPKEYS_HARDENED_PGTABLES depends on ARCH_HAS_KPKEYS_HARDENED_PGTABLES");
    expect(setUps).toBe(0);
  });
});

function thrownBy(action: () => unknown): KpkeysError {
  try {
    action();
  } catch (error) {
    if (error instanceof KpkeysError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
