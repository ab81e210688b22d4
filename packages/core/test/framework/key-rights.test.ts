import type { ContextName, ContextRights, KeyRights, PkeyName, Rights } from "../../src/contracts/index.js";
import { createContainer, createPluginRegistry, provide, registerFramework, resolve } from "../../src/index.js";
import { Kpkeys, KpkeysArch, PkeyRegister } from "../../src/contracts/index.js";
import type { Plugin } from "../../src/contracts/index.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeOf } from "../code-of.js";
import { createTinyArch, GRANTING } from "./tiny-arch.js";

/** A feature as far as keys and contexts are concerned. */
interface Feature {
  /** Its keys with the rights of their registration. */
  readonly keys: Readonly<Record<string, KeyRights>>;
  /** Its contexts with the rights that they give. */
  readonly contexts?: Readonly<Record<string, Readonly<Record<string, Rights>>>>;
}

/**
 * Sets up features as plugins on an architecture with four bits for each key, so that the register shows each right.
 * @param features - in the order of their set-up: `f0`, `f1`
 */
function setUp(features: readonly Feature[]): Kpkeys {
  const plugin = (id: string, more: Pick<Plugin, "kind" | "setup">): Plugin => {
    return { id, description: "of a test", contract: 2, ...more };
  };
  const arch = plugin("tiny", {
    kind: "arch",
    setup(container) {
      provide(container, PkeyRegister, GRANTING);
      provide(container, KpkeysArch, createTinyArch({}));
    },
  });
  const plugins = features.map(({ keys, contexts = {} }, at) =>
    plugin(`f${at}`, {
      kind: "feature",
      setup(container) {
        const kpkeys = resolve(container, Kpkeys);
        for (const [name, rights] of Object.entries(keys)) kpkeys.registerPkey(name as PkeyName, rights);
        for (const [name, rights] of Object.entries(contexts)) {
          kpkeys.defineContext(name as ContextName, rights);
        }
      },
    }),
  );
  const container = createContainer();
  registerFramework(container);
  createPluginRegistry([arch, ...plugins]).setUp(
    container,
    arch.id,
    plugins.map(({ id }) => id),
  );
  return resolve(container, Kpkeys);
}

const RIGHTS: readonly Rights[] = ["none", "r", "rw", "rx", "rwx"];
const anyRights = fc.constantFrom(...RIGHTS);

/** The field of a key in the register of a context: bits R, X and W. */
function fieldOf(kpkeys: Kpkeys, context: string, key: string): number {
  return (kpkeys.compiled(context as ContextName).set.low >>> (kpkeys.pkey(key as PkeyName) * 4)) & 0xf;
}

/** The field of rights, by a list that does not come from the code under test. */
const FIELDS: Readonly<Record<Rights, number>> = { none: 0b000, r: 0b001, rx: 0b011, rw: 0b101, rwx: 0b111 };

/** The error of freezing; empty if there is none. */
function freezeError(kpkeys: Kpkeys): { readonly code: string; readonly message: string } {
  let message = "";
  const code = codeOf(() => {
    try {
      kpkeys.freeze();
    } catch (error) {
      message = (error as Error).message;
      throw error;
    }
  });
  return { code, message };
}

describe("the rights of a registration", () => {
  it("are those of DEFAULT and of each context that does not name the key", () => {
    fc.assert(
      fc.property(fc.array(fc.option(anyRights, { nil: undefined }), { minLength: 1, maxLength: 6 }), (defaults) => {
        const kpkeys = setUp(
          defaults.map((rights, at) => ({
            keys: { [`K${at}`]: rights === undefined ? {} : { default: rights } },
            contexts: { [`C${at}`]: { [`K${at}`]: "rwx" } },
          })),
        );
        kpkeys.freeze();
        for (const [at, rights = "r"] of defaults.entries()) {
          const key = `K${at}`;
          for (const context of kpkeys.contextNames) {
            const expected = context === `C${at}` ? "rwx" : rights;
            expect(kpkeys.rights(context, key as PkeyName)).toBe(expected);
            expect(fieldOf(kpkeys, context, key)).toBe(FIELDS[expected]);
          }
          expect((kpkeys.initialValue().low >>> (kpkeys.pkey(key as PkeyName) * 4)) & 0xf).toBe(FIELDS[rights]);
          expect(kpkeys.pkeyOwner(key as PkeyName)).toBe(`f${at}`);
        }
      }),
    );
  });

  it.each<[KeyRights, Rights]>([
    [{}, "rw"],
    [{ default: "r" }, "rw"],
    [{ default: "rw" }, "rw"],
    [{ default: "rx" }, "rwx"],
    [{ default: "rwx" }, "rwx"],
    [{ default: "none" }, "none"],
    [{ default: "none", unrestricted: "rw" }, "rw"],
    [{ unrestricted: "none" }, "none"],
  ])("%o give %s in UNRESTRICTED, which exists if a feature defines it", (rights, expected) => {
    const kpkeys = setUp([{ keys: { K: rights } }, { keys: {}, contexts: { UNRESTRICTED: {} } }]);
    kpkeys.freeze();
    expect(kpkeys.rights("UNRESTRICTED", "K" as PkeyName)).toBe(expected);
    expect(fieldOf(kpkeys, "UNRESTRICTED", "K")).toBe(FIELDS[expected]);
    expect(codeOf(() => setUp([{ keys: { K: rights } }]).rights("UNRESTRICTED", "DEFAULT"))).toBe(
      "ERR_CONTEXT_UNKNOWN",
    );
  });

  it("let two features define UNRESTRICTED", () => {
    const twice = setUp([
      { keys: { A: {} }, contexts: { UNRESTRICTED: {} } },
      { keys: { B: {} }, contexts: { UNRESTRICTED: {} } },
    ]);
    expect(twice.contextNames).toEqual(["DEFAULT", "UNRESTRICTED"]);
  });

  it.each([{ default: "w" }, { default: undefined }, { unrestricted: "all" }, { defaults: "none" }, "none"])(
    "are rejected if malformed: %o",
    (rights) => {
      expect(codeOf(() => setUp([{ keys: { K: rights as unknown as KeyRights } }]))).toBe("ERR_CONTEXT_RIGHTS");
    },
  );
});

describe("a context with rights on a key of another feature", () => {
  const letters = (rights: Rights): string[] => (rights === "none" ? [] : rights.split(""));

  it("is rejected by freeze() exactly if it allows what the key's DEFAULT rights deny", () => {
    fc.assert(
      fc.property(anyRights, anyRights, (inDefault, given) => {
        const owner: Feature = { keys: { SECRET: { default: inDefault } } };
        const kpkeys = setUp([owner, { keys: { OTHER: {} }, contexts: { OTHER: { SECRET: given, OTHER: "rw" } } }]);
        const more = letters(given).some((letter) => !letters(inDefault).includes(letter));
        const { code, message } = freezeError(kpkeys);
        expect(code).toBe(more ? "ERR_CONTEXT_FOREIGN_KEY" : "nothing thrown");
        for (const name of more ? ["OTHER", "SECRET", "'f0'", "'f1'"] : []) expect(message).toContain(name);
      }),
    );
  });

  it("can give less than DEFAULT", () => {
    const kpkeys = setUp([{ keys: { A: {} } }, { keys: { B: {} }, contexts: { B: { A: "none", B: "rw" } } }]);
    kpkeys.freeze();
    expect(fieldOf(kpkeys, "B", "A")).toBe(0);
  });

  it("is rejected even if the feature depends on the owner's contexts and gives what they give", () => {
    const kpkeys = setUp([
      { keys: { A: {} }, contexts: { A: { A: "rw" } } },
      { keys: { B: {} }, contexts: { BOTH: { A: "rw", B: "rw" } } },
    ]);
    expect(freezeError(kpkeys).code).toBe("ERR_CONTEXT_FOREIGN_KEY");
  });

  it("is accepted if one feature owns both keys", () => {
    setUp([{ keys: { A: {}, B: { default: "none" } }, contexts: { BOTH: { A: "rw", B: "rwx" } } }]).freeze();
  });

  it("is rejected if the key or the context comes from code outside of a plugin's setup()", () => {
    const kpkeys = setUp([{ keys: { A: {} } }]);
    kpkeys.defineContext("LATE" as ContextName, { A: "rw" } as ContextRights);
    expect(kpkeys.pkeyOwner("A" as PkeyName)).toBe("f0");
    expect(freezeError(kpkeys).code).toBe("ERR_CONTEXT_FOREIGN_KEY");
  });
});

it.each(["", "constructor", "__proto__"])("the name %j is an error for a key and for a context", (name) => {
  const refused = expect.objectContaining({ code: "ERR_PLUGIN_INVALID" }) as Error;
  // A computed name: `{ __proto__: … }` would set the prototype.
  const named = <T>(value: T): Record<string, T> => Object.fromEntries([[name, value]]);
  expect(() => setUp([{ keys: named({}) }])).toThrow(refused);
  expect(() => setUp([{ keys: { OWN: {} }, contexts: named({ OWN: "rw" }) }])).toThrow(refused);
});
