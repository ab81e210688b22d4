import type {
  ContextName,
  ContextRights,
  Kpkeys,
  KpkeysState,
  PkeyName,
  PkeyRegister,
} from "../../src/contracts/index.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeOf } from "../code-of.js";
import "./open-types.js";
import { createKpkeys, createTinyArch, GRANTING, WITHHOLDING } from "./tiny-arch.js";
import type { TinyArch } from "./tiny-arch.js";

interface Made {
  readonly kpkeys: Kpkeys;
  readonly arch: TinyArch;
}

function make(register: PkeyRegister, define: (kpkeys: Kpkeys) => void = definePgtables): Made {
  const arch = createTinyArch();
  const kpkeys = createKpkeys(arch, register);
  define(kpkeys);
  kpkeys.freeze();
  arch.value = kpkeys.initialValue().low;
  return { kpkeys, arch };
}

function definePgtables(kpkeys: Kpkeys): void {
  kpkeys.registerPkey("PGTABLES");
  kpkeys.defineContext("PGTABLES", { PGTABLES: "rw" });
}

describe("the register's values come from keys and contexts", () => {
  it("with PGTABLES alone starts at 0x17 and 0x55555558, and is 0x57 and 0x55555550 in its context", () => {
    const por = make(GRANTING);
    expect(por.arch.value).toBe(0x17);
    por.kpkeys.enterContext("PGTABLES");
    expect(por.arch.value).toBe(0x57);

    const pkrs = make(WITHHOLDING);
    expect(pkrs.arch.value).toBe(0x55555558);
    pkrs.kpkeys.enterContext("PGTABLES");
    expect(pkrs.arch.value).toBe(0x55555550);
  });

  it("without a feature allow key 0 only: 0x7 and 0x55555554", () => {
    expect(make(GRANTING, () => undefined).arch.value).toBe(0x7);
    expect(make(WITHHOLDING, () => undefined).arch.value).toBe(0x55555554);
  });

  it("leaves keys that kpkeys does not manage as they are", () => {
    const { kpkeys, arch } = make(GRANTING);
    arch.value = 0x3000_0017;
    const state = kpkeys.enterContext("PGTABLES");
    expect(arch.value).toBe(0x3000_0057);
    kpkeys.leaveContext(state);
    expect(arch.value).toBe(0x3000_0017);
  });

  it("gives a key that a context does not name its DEFAULT rights, which can be no access", () => {
    const { kpkeys, arch } = make(GRANTING, (api) => {
      definePgtables(api);
      api.registerPkey("TEST_SECRET", { default: "none" });
      api.defineContext("TEST_SECRET", { TEST_SECRET: "r" });
    });
    expect(kpkeys.pkey("TEST_SECRET")).toBe(3);
    expect(arch.value).toBe(0x0017);
    expect(kpkeys.compiled("PGTABLES").set.low).toBe(0x0057);
    expect(kpkeys.compiled("TEST_SECRET").set.low).toBe(0x1017);
  });

  it("keeps execution of key 0, where code is mapped, in every context", () => {
    const { kpkeys } = make(GRANTING, (api) => {
      api.registerPkey("CRED");
      api.defineContext("CRED", { DEFAULT: "rwx", CRED: "rw" });
      api.defineContext("UNRESTRICTED", {});
    });
    for (const name of ["CRED", "UNRESTRICTED"] as const) expect(kpkeys.compiled(name).set.low).toBe(0x507);
  });
});

describe("keys get their numbers", () => {
  it("from the architecture if it reserves one, otherwise the lowest number that is not reserved", () => {
    const names: PkeyName[] = [];
    const { kpkeys } = make(GRANTING, (api) => {
      names.push("TEST_EXTRA", "PGTABLES", "TEST_SECRET");
      expect(names.map((name) => api.registerPkey(name))).toEqual([3, 1, 4]);
    });
    expect([...kpkeys.pkeyNames]).toEqual([
      [0, "DEFAULT"],
      [3, "TEST_EXTRA"],
      [1, "PGTABLES"],
      [4, "TEST_SECRET"],
    ]);
  });

  it("rejects a duplicate name and an unknown name", () => {
    const kpkeys = createKpkeys(createTinyArch(), GRANTING);
    kpkeys.registerPkey("PGTABLES");
    expect(codeOf(() => kpkeys.registerPkey("PGTABLES"))).toBe("ERR_PKEY_DUPLICATE");
    expect(codeOf(() => kpkeys.registerPkey("DEFAULT"))).toBe("ERR_PKEY_DUPLICATE");
    expect(codeOf(() => kpkeys.pkey("TEST_EXTRA"))).toBe("ERR_PKEY_UNKNOWN");
  });

  it("use a reserved number if no other is free; freeze() rejects too many keys", () => {
    const kpkeys = createKpkeys(createTinyArch(), { ...GRANTING, keys: 3 });
    kpkeys.registerPkey("PGTABLES");
    expect(kpkeys.registerPkey("TEST_EXTRA")).toBe(2);
    expect(kpkeys.registerPkey("CRED")).toBeGreaterThan(2);
    expect(
      codeOf(() => {
        kpkeys.freeze();
      }),
    ).toBe("ERR_PKEY_EXHAUSTED");
  });

  it("rejects a number that the architecture reserves for two keys", () => {
    const kpkeys = createKpkeys(createTinyArch({ PGTABLES: 1, CRED: 1 }), GRANTING);
    kpkeys.registerPkey("PGTABLES");
    expect(codeOf(() => kpkeys.registerPkey("CRED"))).toBe("ERR_PKEY_DUPLICATE");
  });
});

describe("a context is rejected", () => {
  const { kpkeys } = (() => {
    const api = createKpkeys(createTinyArch(), GRANTING);
    definePgtables(api);
    return { kpkeys: api };
  })();

  it.each(["none", "r", "rx", "rw"])("with %s on key 0, where only rwx is valid", (rights) => {
    expect(
      codeOf(() => {
        kpkeys.defineContext("CRED", { DEFAULT: rights } as unknown as ContextRights);
      }),
    ).toBe("ERR_CONTEXT_DEFAULT_PKEY");
  });

  it("if it is defined twice", () => {
    expect(
      codeOf(() => {
        kpkeys.defineContext("PGTABLES", {});
      }),
    ).toBe("ERR_CONTEXT_DUPLICATE");
  });

  it.each<[ContextName, ContextRights]>([
    ["DEFAULT", {}],
    ["DEFAULT", { PGTABLES: "none" }],
    ["UNRESTRICTED", { PGTABLES: "rw" }],
    ["UNRESTRICTED", { DEFAULT: "rwx" }],
  ])("%s with rights %o, which the registrations give", (context, rights) => {
    expect(
      codeOf(() => {
        kpkeys.defineContext(context, rights);
      }),
    ).toBe("ERR_CONTEXT_RESERVED");
  });

  it("if it names a key that is not registered", () => {
    expect(
      codeOf(() => {
        kpkeys.defineContext("CRED", { CRED: "rw" });
      }),
    ).toBe("ERR_PKEY_UNKNOWN");
  });

  it("if its rights are invalid, or the register cannot express them", () => {
    const anything = { PGTABLES: "w" } as unknown as { PGTABLES: "rw" };
    expect(
      codeOf(() => {
        kpkeys.defineContext("CRED", anything);
      }),
    ).toBe("ERR_CONTEXT_RIGHTS");

    const writeDisableOnly: PkeyRegister = {
      ...WITHHOLDING,
      field: (key, rights) => WITHHOLDING.field(key, rights === "none" ? "r" : rights),
    };
    expect(
      codeOf(() =>
        make(writeDisableOnly, (api) => {
          definePgtables(api);
          api.defineContext("TEST_BOTH", { PGTABLES: "none" });
        }),
      ),
    ).toBe("ERR_CONTEXT_RIGHTS");
  });

  it("if the register would deny execution on key 0, with which code is mapped", () => {
    const data: PkeyRegister = { ...GRANTING, field: (key) => GRANTING.field(key, "rw") };
    expect(codeOf(() => make(data, () => undefined))).toBe("ERR_CONTEXT_RIGHTS");
  });

  it("if it is entered and no plugin has defined it", () => {
    const made = make(GRANTING);
    expect(codeOf(() => made.kpkeys.enterContext("CRED"))).toBe("ERR_CONTEXT_UNKNOWN");
    expect(codeOf(() => made.kpkeys.compiled("CRED"))).toBe("ERR_CONTEXT_UNKNOWN");
    expect(codeOf(() => made.kpkeys.guard("CRED"))).toBe("ERR_CONTEXT_UNKNOWN");
  });
});

describe("freeze", () => {
  it("rejects later keys and contexts; a context cannot be entered before it", () => {
    const kpkeys = createKpkeys(createTinyArch(), GRANTING);
    definePgtables(kpkeys);
    expect(codeOf(() => kpkeys.enterContext("PGTABLES"))).toBe("ERR_INIT_ORDER");
    expect(codeOf(() => kpkeys.guard("PGTABLES").enter())).toBe("ERR_INIT_ORDER");
    expect(codeOf(() => kpkeys.initialValue())).toBe("ERR_INIT_ORDER");
    kpkeys.freeze();
    kpkeys.freeze();
    expect(codeOf(() => kpkeys.registerPkey("CRED"))).toBe("ERR_FROZEN");
    expect(
      codeOf(() => {
        kpkeys.defineContext("CRED", {});
      }),
    ).toBe("ERR_FROZEN");
    expect(kpkeys.contextNames).toEqual(["DEFAULT", "PGTABLES"]);
  });

  it("rejects a guard whose context is not defined", () => {
    const kpkeys = createKpkeys(createTinyArch(), GRANTING);
    kpkeys.guard("CRED");
    expect(
      codeOf(() => {
        kpkeys.freeze();
      }),
    ).toBe("ERR_CONTEXT_UNKNOWN");
  });
});

describe("leaveContext accepts a state of its machine once", () => {
  it("rejects a state the second time", () => {
    const { kpkeys, arch } = make(GRANTING);
    const state = kpkeys.enterContext("PGTABLES");
    kpkeys.leaveContext(state);
    const writes = arch.counters.registerWrites;
    expect(
      codeOf(() => {
        kpkeys.leaveContext(state);
      }),
    ).toBe("ERR_STATE_FOREIGN");
    expect(
      codeOf(() => {
        kpkeys.leaveContextBeforeBarrier(state);
      }),
    ).toBe("ERR_STATE_FOREIGN");
    expect(arch.counters.registerWrites).toBe(writes);
  });

  it("rejects a stale state whose slot is in use again", () => {
    const { kpkeys } = make(GRANTING);
    const stale = kpkeys.enterContext("PGTABLES");
    kpkeys.leaveContext(stale);
    const fresh = kpkeys.enterContext("PGTABLES");
    expect(
      codeOf(() => {
        kpkeys.leaveContext(stale);
      }),
    ).toBe("ERR_STATE_FOREIGN");
    kpkeys.leaveContext(fresh);
  });

  it("rejects the state of another machine that has entered the same context", () => {
    const one = make(GRANTING);
    const there = make(GRANTING);
    const state = one.kpkeys.enterContext("PGTABLES");
    const other = there.kpkeys.enterContext("PGTABLES");
    expect(
      codeOf(() => {
        there.kpkeys.leaveContext(state);
      }),
    ).toBe("ERR_STATE_FOREIGN");
    expect(there.arch.value).toBe(0x57);
    there.kpkeys.leaveContext(other);
  });

  it("rejects guessed numbers, including register values", () => {
    const { kpkeys } = make(GRANTING);
    const state = kpkeys.enterContext("PGTABLES");
    fc.assert(
      fc.property(fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0x7, 0x17, 0x57, 0x55555550)), (guess) => {
        fc.pre(guess !== state && guess !== 0);
        expect(
          codeOf(() => {
            kpkeys.leaveContext(guess as KpkeysState);
          }),
        ).toBe("ERR_STATE_FOREIGN");
      }),
    );
    kpkeys.leaveContext(state);
  });

  it("accepts once the state of a context whose entry did not change the register", () => {
    const { kpkeys, arch } = make(GRANTING);
    arch.skipEqual = true;
    const outer = kpkeys.enterContext("PGTABLES");
    const inner = kpkeys.enterContext("PGTABLES");
    expect(arch.counters.registerWrites).toBe(1);
    kpkeys.leaveContext(inner);
    expect(arch.value).toBe(0x57);
    expect(
      codeOf(() => {
        kpkeys.leaveContext(inner);
      }),
    ).toBe("ERR_STATE_FOREIGN");
    kpkeys.leaveContext(outer);
    expect(arch.value).toBe(0x17);
  });

  it("fails if all states are in use, and continues after one is left", () => {
    const { kpkeys } = make(GRANTING);
    const states: KpkeysState[] = [];
    expect(
      codeOf(() => {
        for (;;) states.push(kpkeys.enterContext("PGTABLES"));
      }),
    ).toBe("ERR_STATE_EXHAUSTED");
    expect(new Set(states).size).toBe(states.length);
    kpkeys.leaveContext(states.pop()!);
    states.push(kpkeys.enterContext("PGTABLES"));
    for (const state of states) kpkeys.leaveContext(state);
  });

  it("restores the value of the entry, in every order of leaving", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2 ** 16 - 1), { minLength: 1, maxLength: 200 }), (steps) => {
        const { kpkeys, arch } = make(GRANTING);
        const live: { state: KpkeysState; before: number }[] = [];
        const consumed: KpkeysState[] = [];
        for (const step of steps) {
          if (live.length < 40 && (step % 3 !== 0 || live.length === 0)) {
            // Another task runs, with different rights on keys that kpkeys does not manage.
            arch.value = (arch.value & 0xff) | (step << 8);
            const before = arch.value;
            live.push({ state: kpkeys.enterContext("PGTABLES"), before });
            expect(arch.value).toBe((before & ~0xff) | 0x57);
          } else {
            const [{ state, before }] = live.splice(step % live.length, 1) as [(typeof live)[number]];
            kpkeys.leaveContext(state);
            expect(arch.value).toBe(before);
            consumed.push(state);
          }
        }
        for (const state of consumed)
          expect(
            codeOf(() => {
              kpkeys.leaveContext(state);
            }),
          ).toBe("ERR_STATE_FOREIGN");
      }),
    );
  });

  it("skips the barrier only if one follows", () => {
    const { kpkeys, arch } = make(GRANTING);
    kpkeys.leaveContext(kpkeys.enterContext("PGTABLES"));
    expect(arch.counters).toEqual({ registerWrites: 2, barriers: 2 });
    kpkeys.leaveContextBeforeBarrier(kpkeys.enterContext("PGTABLES"));
    expect(arch.counters).toEqual({ registerWrites: 4, barriers: 3 });
  });
});
