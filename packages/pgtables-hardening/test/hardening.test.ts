import { resolve } from "@kpkeys/core";
import { Errno, Kpkeys, ProtectedObjects, SETTERS, StaticKeys, toPfn } from "@kpkeys/core/contracts";
import type { PluginOptions } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { codeOf } from "../../core/test/code-of.js";
import { PgtablesWarnings } from "../src/index.js";
import { bootToyMachine, createToyMachine } from "./toy-machine.js";

const PGTABLES = 1;

describe("after mem_init", () => {
  it("early table pages and both mappings of static table pages have the key", () => {
    const toy = createToyMachine();
    toy.early(35, 34, 33, 32, 60);
    expect(toy.linearKeys.size).toBe(0);
    toy.begin("mem_init");
    expect([...toy.linearKeys.keys()].sort((a, b) => a - b)).toEqual([8, 9, 10, 11, 32, 33, 34, 35, 60]);
    expect([...toy.imageKeys.keys()]).toEqual([8, 9, 10, 11]);
    for (const key of [...toy.linearKeys.values(), ...toy.imageKeys.values()]) expect(key).toBe(PGTABLES);
    expect(resolve(toy.container, PgtablesWarnings)).toEqual([]);
  });

  it("the image mapping stays writable with staticAliases 'linear', as in v7 and v8", () => {
    const toy = bootToyMachine({ staticAliases: "linear" });
    expect(toy.linearKeys.get(8)).toBe(PGTABLES);
    expect(toy.imageKeys.size).toBe(0);
  });

  it("the static key is on and the register has the value of DEFAULT", () => {
    const toy = bootToyMachine();
    expect(resolve(toy.container, StaticKeys).all.map(({ name, enabled }) => [name, enabled])).toEqual([
      ["kpkeys_hardened_pgtables_key", true],
    ]);
    expect(toy.arch.value).toBe(0x17);
  });

  it("the key of table pages is declared to the scanner", () => {
    const { container } = bootToyMachine();
    expect(resolve(container, ProtectedObjects).claims).toEqual([{ feature: "pgtables", tablePkey: PGTABLES }]);
  });
});

describe("the guard of the setters", () => {
  for (const setter of SETTERS) {
    it(`lets ${setter} write a protected table, which faults without it`, () => {
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

  it.each([true, false])("enters nothing before the static key is on, batching %s", (batching) => {
    const toy = createToyMachine({ batching });
    toy.write("set_pte", 33);
    expect(toy.arch.counters.registerWrites).toBe(0);
  });
});

describe("batching", () => {
  it("switches twice in a lazy MMU section, with one barrier less if the section ends with one", () => {
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

  it("switches in every setter of a section when off", () => {
    const toy = bootToyMachine({ batching: false });
    expect(toy.points.handlers("lazyMmuEnter")).toEqual([]);
    const leave = toy.section();
    for (let times = 0; times < 10; times++) toy.write("set_pte", 33);
    leave(false);
    expect(toy.arch.counters).toEqual({ registerWrites: 20, barriers: 20 });
  });

  it("does not apply in interrupt: each setter enters the context there", () => {
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

  it("writes no register at the end of a section that began before the static key was on", () => {
    const toy = createToyMachine();
    const leave = toy.section();
    resolve(toy.container, StaticKeys).all[0]?.enable();
    leave(true);
    expect(toy.arch.counters.registerWrites).toBe(0);
    expect(toy.arch.value).toBe(0x17);
  });

  it("keeps a state for each task, left in another order", () => {
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

describe("table pages from the buddy allocator", () => {
  it("have the key from allocation to freeing", () => {
    const toy = bootToyMachine();
    expect(toy.points.handlers("tablePageAllocated").map((handler) => handler(toPfn(50)))).toEqual([0]);
    expect(toy.linearKeys.get(50)).toBe(PGTABLES);
    for (const handler of toy.points.handlers("tablePageFreeing")) handler(toPfn(50));
    expect(toy.linearKeys.get(50)).toBe(0);
  });

  it("fail to allocate with the errno of set_memory_pkey, and warn", () => {
    const toy = bootToyMachine();
    toy.failing = true;
    expect(toy.points.handlers("tablePageAllocated").map((handler) => handler(toPfn(50)))).toEqual([Errno.ENOMEM]);
    for (const handler of toy.points.handlers("tablePageFreeing")) handler(toPfn(50));
    expect(resolve(toy.container, PgtablesWarnings)).toHaveLength(2);
  });
});

describe("a warning is recorded for", () => {
  it("early table pages beyond the recorded ranges, once", () => {
    const toy = createToyMachine();
    for (let range = 0; range < 1026; range++) toy.early(100 + 2 * range);
    const warnings = resolve(toy.container, PgtablesWarnings);
    expect(warnings).toHaveLength(1);
    toy.begin("mem_init");
    expect(toy.linearKeys.get(100 + 2 * 1023)).toBe(PGTABLES);
    expect(toy.linearKeys.get(100 + 2 * 1024)).toBeUndefined();
  });

  it("early and static table pages whose key cannot be set", () => {
    const toy = createToyMachine();
    toy.early(32);
    toy.failing = true;
    toy.begin("mem_init");
    expect(resolve(toy.container, PgtablesWarnings)).toHaveLength(3);
  });
});

describe("mem_init initialises the hardening", () => {
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

  it("after the last table page from memblock and before the first from the buddy allocator", () => {
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
  it("no register is written and no key is set", () => {
    const toy = bootToyMachine({}, false);
    toy.write("set_pte", 33);
    toy.section()(false);
    expect(toy.points.handlers("tablePageAllocated").map((handler) => handler(toPfn(50)))).toEqual([0]);
    expect(toy.linearKeys.size + toy.imageKeys.size).toBe(0);
    expect(toy.arch.counters.registerWrites).toBe(0);
    expect(resolve(toy.container, StaticKeys).all.map(({ enabled }) => enabled)).toEqual([false]);
  });

  it("early table pages are not recorded", () => {
    const toy = createToyMachine({}, false);
    for (let range = 0; range < 1026; range++) toy.early(100 + 2 * range);
    expect(resolve(toy.container, PgtablesWarnings)).toEqual([]);
  });
});

describe("invalid options", () => {
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
  ])("reject %j", (options) => {
    expect(codeOf(() => createToyMachine(options))).toBe("ERR_SPEC");
  });
});

describe("the key PGTABLES", () => {
  it("is number 1 and never executable", () => {
    const { container } = bootToyMachine();
    const kpkeys = resolve(container, Kpkeys);
    expect(kpkeys.pkey("PGTABLES")).toBe(PGTABLES);
    expect(kpkeys.compiled("DEFAULT").set.low).toBe(0x17);
    expect(kpkeys.compiled("PGTABLES").set.low).toBe(0x57);
  });
});
