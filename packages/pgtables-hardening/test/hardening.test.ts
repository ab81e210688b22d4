import { KpkeysError, resolve } from "@kpkeys/core";
import { Errno, Kpkeys, ProtectedObjects, SETTERS, StaticKeys, toPfn } from "@kpkeys/core/contracts";
import type { PluginOptions } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { PgtablesWarnings } from "../src/index.js";
import { bootToyMachine, createToyMachine } from "./toy-machine.js";

const PGTABLES = 1;

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof KpkeysError) return error.code;
    throw error;
  }
  return "nothing thrown";
}

describe("after mem_init", () => {
  it("early table pages and both mappings of static ones have the key", () => {
    const toy = createToyMachine();
    toy.early(35, 34, 33, 32, 60);
    expect(toy.linearKeys.size).toBe(0);
    toy.begin("mem_init");
    expect([...toy.linearKeys.keys()].sort((a, b) => a - b)).toEqual([8, 9, 10, 11, 32, 33, 34, 35, 60]);
    expect([...toy.imageKeys.keys()]).toEqual([8, 9, 10, 11]);
    for (const key of [...toy.linearKeys.values(), ...toy.imageKeys.values()]) expect(key).toBe(PGTABLES);
    expect(resolve(toy.container, PgtablesWarnings)).toEqual([]);
  });

  it("with staticAliases 'linear', as v7 and v8 have it, the image's mapping stays writable", () => {
    const toy = bootToyMachine({ staticAliases: "linear" });
    expect(toy.linearKeys.get(8)).toBe(PGTABLES);
    expect(toy.imageKeys.size).toBe(0);
  });

  it("the static key is on and the register is as in DEFAULT", () => {
    const toy = bootToyMachine();
    expect(resolve(toy.container, StaticKeys).all.map(({ name, enabled }) => [name, enabled])).toEqual([
      ["kpkeys_hardened_pgtables_key", true],
    ]);
    expect(toy.arch.value).toBe(0x17);
  });

  it("table pages that are to be protected are claimed by their key", () => {
    const { container } = bootToyMachine();
    expect(resolve(container, ProtectedObjects).claims).toEqual([{ feature: "pgtables", tablePkey: PGTABLES }]);
  });
});

describe("each setter has the guard", () => {
  for (const setter of SETTERS) {
    it(`${setter} writes a protected table, and faults without its guard`, () => {
      const guarded = bootToyMachine();
      guarded.write(setter, 33);
      expect(guarded.arch.counters).toEqual({ registerWrites: 2, barriers: 2 });

      const toy = bootToyMachine({ unguarded: [setter] });
      expect(() => {
        toy.write(setter, 33);
      }).toThrow(`fault: ${setter} writes table 33`);
      for (const other of SETTERS) if (other !== setter) toy.write(other, 33);
    });
  }

  it.each([true, false])("which is closed before the static key is on, batching %s", (batching) => {
    const toy = createToyMachine({ batching });
    toy.write("set_pte", 33);
    expect(toy.arch.counters.registerWrites).toBe(0);
  });
});

describe("batching", () => {
  it("switches twice a lazy MMU section, with one barrier less where the section's own follows", () => {
    for (const [barrierFollows, barriers] of [
      [false, 2],
      [true, 1],
    ] as const) {
      const toy = bootToyMachine();
      const leave = toy.section();
      for (let times = 0; times < 10; times++) toy.write("set_pte", 33);
      leave(barrierFollows);
      expect(toy.arch.counters).toEqual({ registerWrites: 2, barriers });
      expect(toy.arch.value).toBe(0x17);
    }
  });

  it("switched off, every setter in a section switches by itself", () => {
    const toy = bootToyMachine({ batching: false });
    expect(toy.points.handlers("lazyMmuEnter")).toEqual([]);
    const leave = toy.section();
    for (let times = 0; times < 10; times++) toy.write("set_pte", 33);
    leave(false);
    expect(toy.arch.counters).toEqual({ registerWrites: 20, barriers: 20 });
  });

  it("does not count in interrupt: there each setter opens by itself, whatever the register was", () => {
    const toy = bootToyMachine();
    const leave = toy.section();
    toy.inInterrupt = true;
    const interrupted = toy.arch.value;
    toy.arch.value = 0x17;
    toy.write("set_pte", 33);
    expect(toy.arch.value).toBe(0x17);
    toy.arch.value = interrupted;
    toy.inInterrupt = false;
    toy.write("set_pte", 33);
    leave(false);
    expect(toy.arch.value).toBe(0x17);
  });

  it("leaves a section that began before the static key was on without switching", () => {
    const toy = createToyMachine();
    const leave = toy.section();
    resolve(toy.container, StaticKeys).all[0]?.enable();
    leave(true);
    expect(toy.arch.counters.registerWrites).toBe(0);
    expect(toy.arch.value).toBe(0x17);
  });

  it("keeps the states of tasks apart that leave their sections in another order", () => {
    const toy = bootToyMachine();
    const first = toy.section();
    const firstTask = toy.arch.value;
    toy.arch.value = 0x17;
    const second = toy.section();
    const secondTask = toy.arch.value;
    toy.arch.value = firstTask;
    first(false);
    expect(toy.arch.value).toBe(0x17);
    toy.arch.value = secondTask;
    second(false);
    expect(toy.arch.value).toBe(0x17);
  });
});

describe("table pages of the buddy allocator", () => {
  it("get the key when allocated and lose it when freed", () => {
    const toy = bootToyMachine();
    expect(toy.points.handlers("tablePageAllocated").map((handler) => handler(toPfn(50)))).toEqual([0]);
    expect(toy.linearKeys.get(50)).toBe(PGTABLES);
    for (const handler of toy.points.handlers("tablePageFreeing")) handler(toPfn(50));
    expect(toy.linearKeys.get(50)).toBe(0);
  });

  it("are refused when they cannot get it", () => {
    const toy = bootToyMachine();
    toy.failing = true;
    expect(toy.points.handlers("tablePageAllocated").map((handler) => handler(toPfn(50)))).toEqual([Errno.ENOMEM]);
    for (const handler of toy.points.handlers("tablePageFreeing")) handler(toPfn(50));
    expect(resolve(toy.container, PgtablesWarnings)).toHaveLength(2);
  });
});

describe("what cannot be protected is told", () => {
  it("pages from memblock beyond the ranges that can be remembered", () => {
    const toy = createToyMachine();
    for (let range = 0; range < 1026; range++) toy.early(100 + 2 * range);
    const warnings = resolve(toy.container, PgtablesWarnings);
    expect(warnings).toHaveLength(1);
    toy.begin("mem_init");
    expect(toy.linearKeys.get(100 + 2 * 1023)).toBe(PGTABLES);
    expect(toy.linearKeys.get(100 + 2 * 1024)).toBeUndefined();
  });

  it("early and static pages whose key cannot be set", () => {
    const toy = createToyMachine();
    toy.early(32);
    toy.failing = true;
    toy.begin("mem_init");
    expect(resolve(toy.container, PgtablesWarnings)).toHaveLength(3);
  });
});

describe("the hardening is initialised in mem_init", () => {
  it("once", () => {
    const toy = bootToyMachine();
    expect(
      codeOf(() => {
        toy.begin("mem_init");
      }),
    ).toBe("ERR_INIT_ORDER");
  });

  it("not later", () => {
    const toy = createToyMachine();
    toy.begin("memblock");
    toy.begin("vmemmap");
    expect(
      codeOf(() => {
        toy.begin("tasks");
      }),
    ).toBe("ERR_INIT_ORDER");
  });

  it("after all table pages of memblock and before any of the buddy allocator", () => {
    expect(codeOf(() => createToyMachine().points.handlers("tablePageAllocated")[0]?.(toPfn(50)))).toBe(
      "ERR_INIT_ORDER",
    );
    const toy = bootToyMachine();
    expect(
      codeOf(() => {
        toy.early(60);
      }),
    ).toBe("ERR_INIT_ORDER");
  });
});

describe("on a CPU without kernel pkeys", () => {
  it("nothing is switched and nothing is given a key", () => {
    const toy = bootToyMachine({}, false);
    toy.write("set_pte", 33);
    toy.section()(false);
    expect(toy.points.handlers("tablePageAllocated").map((handler) => handler(toPfn(50)))).toEqual([0]);
    expect(toy.linearKeys.size + toy.imageKeys.size).toBe(0);
    expect(toy.arch.counters.registerWrites).toBe(0);
    expect(resolve(toy.container, StaticKeys).all.map(({ enabled }) => enabled)).toEqual([false]);
  });

  it("early table pages are not even remembered", () => {
    const toy = createToyMachine({}, false);
    for (let range = 0; range < 1026; range++) toy.early(100 + 2 * range);
    expect(resolve(toy.container, PgtablesWarnings)).toEqual([]);
  });
});

describe("options", () => {
  it.each<PluginOptions>([
    { batch: true },
    { batching: "yes" },
    { staticAliases: "image" },
    { unguarded: "set_pte" },
    { unguarded: ["set_ptes"] },
    { tagging: "constructor" },
    { early: "late" },
    { earlyRanges: -1 },
    { vmemmap: 1 },
  ])("that do not exist are refused: %j", (options) => {
    expect(codeOf(() => createToyMachine(options))).toBe("ERR_SPEC");
  });
});

describe("the key", () => {
  it("is number 1 and never executable", () => {
    const { container } = bootToyMachine();
    const kpkeys = resolve(container, Kpkeys);
    expect(kpkeys.pkey("PGTABLES")).toBe(PGTABLES);
    expect(kpkeys.compiled("DEFAULT").set.low).toBe(0x17);
    expect(kpkeys.compiled("PGTABLES").set.low).toBe(0x57);
  });
});
