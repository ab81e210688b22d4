import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ContextName, KeyRights, Kpkeys, PkeyName, Rights } from "../../src/contracts/index.js";
import { checkKeyBudget, keyBudget, sharingText } from "../../src/framework/key-budget.js";
import { KpkeysError } from "../../src/errors.js";
import { PluginInSetUp } from "../../src/framework/plugin-in-set-up.js";
import { createKpkeys, createTinyArch, GRANTING, WITHHOLDING } from "./tiny-arch.js";

/** A feature as far as the budget is about it: its key, and the context of the same name. Its plugin has that name in lower case. */
type Feature = readonly [name: string, rights?: Readonly<Record<string, Rights>>, ofKey?: KeyRights];

function make(register: typeof GRANTING, features: readonly Feature[]): Kpkeys {
  const plugin = new PluginInSetUp();
  const kpkeys = createKpkeys(createTinyArch(), register, plugin);
  for (const [name, , ofKey] of features) {
    plugin.id = name.toLowerCase();
    kpkeys.registerPkey(name as PkeyName, ofKey);
  }
  for (const [name, rights] of features) {
    plugin.id = name.toLowerCase();
    kpkeys.defineContext(name as ContextName, rights ?? { [name]: "rw" });
  }
  return kpkeys;
}

function budgetOf(register: typeof GRANTING, features: readonly Feature[]): ReturnType<typeof keyBudget> {
  return keyBudget(make(register, features), register);
}

const named = (count: number): Feature[] => Array.from({ length: count }, (_, index) => [`F${index}`] as const);

describe("a key budget", () => {
  it("lists contexts and keys, each key with its plugin", () => {
    const { wanted, contexts, register, keys, fits } = budgetOf(GRANTING, [["PGTABLES"], ["CRED"]]);
    expect({ register, keys, fits }).toEqual({ register: "GRANTING", keys: 8, fits: true });
    expect(wanted.map(({ name, number, owner }) => [name, number, owner])).toEqual([
      ["DEFAULT", 0, "kpkeys"],
      ["PGTABLES", 1, "pgtables"],
      ["CRED", 2, "cred"],
    ]);
    expect(contexts).toEqual([
      { name: "DEFAULT", rights: { DEFAULT: "rwx", PGTABLES: "r", CRED: "r" } },
      { name: "PGTABLES", rights: { DEFAULT: "rwx", PGTABLES: "rw", CRED: "r" } },
      { name: "CRED", rights: { DEFAULT: "rwx", PGTABLES: "r", CRED: "rw" } },
    ]);
  });

  it("lists the exposures of a shared key: each of two contexts could write the pages of the other", () => {
    const { sharing } = budgetOf(GRANTING, [["PGTABLES"], ["CRED"]]);
    expect(sharing.map(({ keys }) => keys)).toEqual([["PGTABLES", "CRED"]]);
    expect(sharing[0]!.exposes).toEqual([
      { context: "PGTABLES", key: "CRED", from: "r", to: "rw" },
      { context: "CRED", key: "PGTABLES", from: "r", to: "rw" },
    ]);
    expect(sharingText(sharing[0]!)).toBe(
      "the context PGTABLES could write the pages of CRED and the context CRED could write the pages of PGTABLES",
    );
  });

  it("lists a secret that DEFAULT may not read as readable in every context", () => {
    const { contexts, sharing } = budgetOf(GRANTING, [["PGTABLES"], ["SECRET", { SECRET: "r" }, { default: "none" }]]);
    expect(contexts.map(({ name, rights }) => [name, rights["SECRET"]])).toEqual([
      ["DEFAULT", "none"],
      ["PGTABLES", "none"],
      ["SECRET", "r"],
    ]);
    const [shared] = sharing;
    expect(shared!.exposes).toEqual([
      { context: "DEFAULT", key: "SECRET", from: "none", to: "r" },
      { context: "PGTABLES", key: "SECRET", from: "none", to: "rw" },
    ]);
    expect(sharingText(shared!)).toContain("DEFAULT could read the pages of SECRET");
    expect(sharingText(shared!)).toContain("PGTABLES could read and write the pages of SECRET");
  });

  it("names the contexts that gain the same together", () => {
    const { sharing } = budgetOf(GRANTING, [["A"], ["B"], ["CODE", { CODE: "rwx" }, { default: "rx" }]]);
    expect(sharingText(sharing.find(({ keys }) => keys.join() === "A,CODE")!)).toBe(
      "the contexts DEFAULT, A and B could execute the pages of A and the context A could write the pages of CODE" +
        " and the context CODE could write and execute the pages of A",
    );
  });

  it("has no exposure to execution with a register that cannot deny it", () => {
    const register = {
      ...GRANTING,
      field: (key: number, rights: Rights) => GRANTING.field(key, rights.replace("x", "") as Rights),
    };
    const { sharing } = budgetOf(register, [["A"], ["CODE", { CODE: "rwx" }, { default: "rx" }]]);
    expect(sharing[0]!.exposes).toEqual([
      { context: "A", key: "CODE", from: "r", to: "rw" },
      { context: "CODE", key: "A", from: "r", to: "rw" },
    ]);
  });

  it("has exposures to execution with a second register that denies it", () => {
    const register = {
      ...GRANTING,
      field: (key: number, rights: Rights) => ({
        ...GRANTING.field(key, rights.replace("x", "") as Rights),
        fetch: { high: 0, low: rights.includes("x") ? 0 : 1 << key },
      }),
    };
    const { sharing } = budgetOf(register, [["A"], ["CODE", { CODE: "rwx" }, { default: "rx" }]]);
    expect(sharing[0]!.exposes).toContainEqual({ context: "DEFAULT", key: "A", from: "r", to: "rx" });
  });

  it("sorts pairs by exposures: a pair with equal rights in all contexts has none", () => {
    const { sharing } = budgetOf(GRANTING, [["A", { A: "rw", B: "rw" }], ["B", { A: "rw", B: "rw" }], ["C"]]);
    expect(sharing.map(({ keys }) => keys.join())).toEqual(["A,B", "A,C", "B,C"]);
    expect(sharing[0]!.exposes).toEqual([]);
    expect(sharingText(sharing[0]!)).toBe("no context could do more than now");
  });

  it("UNRESTRICTED has rights on keys registered later", () => {
    const kpkeys = createKpkeys(createTinyArch(), GRANTING);
    kpkeys.defineContext("UNRESTRICTED", {});
    kpkeys.registerPkey("LATE" as PkeyName);
    kpkeys.freeze();
    expect(kpkeys.rights("UNRESTRICTED", "LATE" as PkeyName)).toBe("rw");
    expect(kpkeys.rights("UNRESTRICTED", "DEFAULT")).toBe("rwx");
    expect(kpkeys.compiled("UNRESTRICTED").set.low).toBe(0x5007);
  });
});

describe("a set of features", () => {
  it("fits if the register has enough keys, for any reserved numbers", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(GRANTING, WITHHOLDING),
        fc.subarray(["PGTABLES", "CRED"]),
        fc.nat(18),
        fc.boolean(),
        (register, claimed, others, claimedFirst) => {
          const rest = named(others).map(([name]) => name);
          const names = claimedFirst ? [...claimed, ...rest] : [...rest, ...claimed];
          const budget = budgetOf(
            register,
            names.map((name) => [name]),
          );
          expect(budget.fits).toBe(names.length < register.keys);
          const numbers = budget.wanted.map(({ number }) => number);
          expect(new Set(numbers).size).toBe(names.length + 1);
          expect(numbers.every((number) => number < register.keys)).toBe(budget.fits);
          const freeze = (): void => {
            make(
              register,
              names.map((name) => [name]),
            ).freeze();
          };
          if (budget.fits) freeze();
          else expect(freeze).toThrow(KpkeysError);
        },
      ),
    );
  });

  it("that does not fit is rejected; the error names each key with its plugin and the pair with the fewest exposures", () => {
    const budget = budgetOf(GRANTING, [["A"], ["B"], ...named(6)]);
    let message = "";
    try {
      checkKeyBudget(budget);
    } catch (error) {
      message = (error as KpkeysError).message;
      expect((error as KpkeysError).code).toBe("ERR_PKEY_EXHAUSTED");
    }
    for (const name of ["GRANTING", "A (a)", "B (b)", "F0 (f0)", "F5 (f5)"]) expect(message).toContain(name);
    expect(message).toContain(sharingText(budget.sharing[0]!));
  });

  it("that fits is accepted", () => {
    checkKeyBudget(budgetOf(GRANTING, named(7)));
  });
});

/** Compares the exposures with the decoding of the register: the rights of both keys in one field. */
describe("exposures of a shared key", () => {
  const RIGHTS: readonly Rights[] = ["none", "r", "rw", "rx", "rwx"];
  it("are the rights that a field with the rights of both keys adds", () => {
    fc.assert(
      fc.property(fc.constantFrom(...RIGHTS), fc.constantFrom(...RIGHTS), (one, other) => {
        const { sharing } = budgetOf(GRANTING, [["A", { A: one, B: other }], ["B"]]);
        const field = GRANTING.field(1, one).low | GRANTING.field(1, other).low;
        const union = GRANTING.rightsOf(0, field, 1);
        const expected = [
          ["A", one],
          ["B", other],
        ].filter(([, from]) => from !== union);
        const ofA = sharing[0]!.exposes.filter(({ context }) => context === ("A" as ContextName));
        expect(ofA.map(({ key, from }) => [key, from])).toEqual(expected);
        for (const { to } of ofA) expect(to).toBe(union);
      }),
    );
  });
});
