import type {
  ContextName,
  ContextRights,
  Kpkeys,
  KpkeysState,
  PkeyName,
  StaticKey,
} from "../../src/contracts/index.js";
import { describe, expectTypeOf, it } from "vitest";
import "./open-types.js";

// Nothing here runs: the compiler is the judge (`tsc -b`), and an error expected that does not come is an error too.
function compiles(claim: (kpkeys: Kpkeys, name: ContextName, text: string, number: number) => unknown): void {
  expectTypeOf(claim).toBeFunction();
}

describe("enterContext accepts one literal context", () => {
  it("and so do guards", () => {
    compiles((kpkeys) => [
      kpkeys.enterContext("DEFAULT"),
      kpkeys.enterContext("PGTABLES"),
      kpkeys.guard("PGTABLES"),
      kpkeys.guardCond("CRED", () => true),
    ]);
    const constant = "PGTABLES";
    compiles((kpkeys) => kpkeys.enterContext(constant));
  });

  it("rejects a number", () => {
    // @ts-expect-error a number is no context
    compiles((kpkeys) => kpkeys.enterContext(1));
    // @ts-expect-error a number is no context
    compiles((kpkeys, _name, _text, number) => kpkeys.enterContext(number));
  });

  it("rejects a string", () => {
    // @ts-expect-error a string may be anything
    compiles((kpkeys, _name, text) => kpkeys.enterContext(text));
    // @ts-expect-error no feature has declared this context
    compiles((kpkeys) => kpkeys.enterContext("TEST_NOBODY"));
  });

  it("rejects a variable that may hold several contexts", () => {
    // @ts-expect-error any context at all
    compiles((kpkeys, name) => kpkeys.enterContext(name));
    // @ts-expect-error one of two
    compiles((kpkeys, _name, text) => kpkeys.enterContext(text === "" ? "DEFAULT" : "PGTABLES"));
    // @ts-expect-error one of two
    compiles((kpkeys, _name, text) => kpkeys.guard(text === "" ? "DEFAULT" : "PGTABLES"));
    // @ts-expect-error any context at all
    compiles((kpkeys, name) => kpkeys.guardCond(name, () => true));
  });
});

describe("a state is opaque", () => {
  it("a number is not a state", () => {
    compiles((kpkeys) => {
      // @ts-expect-error a register value is no state
      kpkeys.leaveContext(0x17);
    });
    compiles((kpkeys, _name, _text, number) => {
      // @ts-expect-error a number is no state
      kpkeys.leaveContextBeforeBarrier(number);
    });
    expectTypeOf<Kpkeys["leaveContext"]>().parameters.toEqualTypeOf<[KpkeysState]>();
    expectTypeOf<ReturnType<Kpkeys["enterContext"]>>().toEqualTypeOf<KpkeysState>();
  });
});

describe("keys and contexts are open types", () => {
  it("that features extend by declaration merging", () => {
    expectTypeOf<"TEST_SECRET">().toExtend<PkeyName>();
    expectTypeOf<"TEST_BOTH">().toExtend<ContextName>();
    expectTypeOf<{ TEST_SECRET: "none" }>().toExtend<ContextRights>();
    expectTypeOf<{ TEST_NOBODY: "none" }>().not.toExtend<Required<ContextRights>>();
  });
});

describe("rights on the key DEFAULT", () => {
  it("are rwx only", () => {
    compiles((kpkeys) => {
      kpkeys.defineContext("CRED", { DEFAULT: "rwx" });
    });
    compiles((kpkeys) => {
      // @ts-expect-error kernel code is mapped with key 0, and must be executed
      kpkeys.defineContext("CRED", { DEFAULT: "rw" });
    });
  });
});

describe("a static key", () => {
  it("is turned on only by enable()", () => {
    // @ts-expect-error the field is read-only
    compiles(() => (key: StaticKey) => (key.enabled = true));
  });
});
