import { AddressSpaces, Kpkeys, LazyMmu, PageTableFormat, PageTables, toLevel } from "@kpkeys/core/contracts";
import type { ProtectionName, Words } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened } from "./machines.js";

const SKIPPING = [false, true] as const;

interface Cost {
  readonly writes: number;
  readonly barriers: number;
  readonly setterBarriers: number;
}

function cost(machine: Machine, run: () => void): Cost {
  const before = machine.counters();
  run();
  const after = machine.counters();
  return {
    writes: after.registerWrites - before.registerWrites,
    barriers: after.barriers - before.barriers,
    setterBarriers: after.setterBarriers - before.setterBarriers,
  };
}

/** A machine, a table page of a process, and setters that need mainline's barriers or do not. */
function prepared(arch: string, skipEqualWrites: boolean) {
  const machine = hardened(arch, {}, { options: { [arch]: { skipEqualWrites } } });
  const tables = machine.get(PageTables);
  const format = machine.get(PageTableFormat);
  const table = machine.get(AddressSpaces).create().root;
  const lastLevel = format.geometry.levels.length - 1;
  const leaf = (protection: ProtectionName): Words =>
    format.makeLeaf(toLevel(lastLevel), machine.memory.firstPfn, format.protections[protection]);
  const set = (protection: ProtectionName, count: number): void => {
    const { high, low } = leaf(protection);
    for (let i = 0; i < count; i++) tables.setPte(table, i, { high, low });
  };
  return {
    machine,
    tables,
    format,
    table,
    kernelPtes: (count: number) => {
      set("PAGE_KERNEL", count);
    },
    userPtes: (count: number) => {
      set("PAGE_READONLY", count);
    },
    lazy: machine.get(LazyMmu),
    kpkeys: machine.get(Kpkeys),
  };
}

describe.each(ARCHES)("what the guard costs on %s", (arch) => {
  const isb = arch === "arm64-poe" ? 1 : 0;

  describe.each(SKIPPING)("with equal register writes skipped: %s", (skipping) => {
    it("one setter outside lazy MMU mode: two writes, two barriers", () => {
      const { machine, userPtes } = prepared(arch, skipping);
      expect(
        cost(machine, () => {
          userPtes(1);
        }),
      ).toEqual({ writes: 2, barriers: 2 * isb, setterBarriers: 0 });
    });

    it.each([2, 7, 100])("%i setters outside lazy MMU mode: two of each for every one", (count) => {
      const { machine, userPtes } = prepared(arch, skipping);
      expect(
        cost(machine, () => {
          userPtes(count);
        }),
      ).toEqual({ writes: 2 * count, barriers: 2 * count * isb, setterBarriers: 0 });
    });

    it.each([1, 7, 100])("%i setters of user pages in one lazy MMU section: two writes, two barriers", (count) => {
      const { machine, userPtes, lazy } = prepared(arch, skipping);
      expect(
        cost(machine, () => {
          lazy.enable();
          userPtes(count);
          lazy.disable();
        }),
      ).toEqual({ writes: 2, barriers: 2 * isb, setterBarriers: 0 });
    });

    it.each([1, 7, 100])(
      "%i setters of kernel pages in one lazy MMU section: the flush's barrier serves both",
      (count) => {
        const { machine, kernelPtes, lazy } = prepared(arch, skipping);
        expect(
          cost(machine, () => {
            lazy.enable();
            kernelPtes(count);
            lazy.disable();
          }),
        ).toEqual({ writes: 2, barriers: isb, setterBarriers: isb });
      },
    );

    it("nested sections cost what the outermost does; the inner disable flushes, so that its leave synchronises itself", () => {
      const { machine, kernelPtes, lazy } = prepared(arch, skipping);
      expect(
        cost(machine, () => {
          lazy.enable();
          lazy.enable();
          kernelPtes(3);
          lazy.disable();
          lazy.disable();
        }),
      ).toEqual({ writes: 2, barriers: 2 * isb, setterBarriers: isb });
    });

    it("a pause in the middle costs one more round", () => {
      const { machine, userPtes, lazy } = prepared(arch, skipping);
      expect(
        cost(machine, () => {
          lazy.enable();
          userPtes(1);
          lazy.pause();
          userPtes(3);
          lazy.resume();
          userPtes(1);
          lazy.disable();
        }),
      ).toEqual({ writes: 2 + 3 * 2 + 2, barriers: (2 + 3 * 2 + 2) * isb, setterBarriers: 0 });
    });

    it("a guard inside the context costs nothing more when equal writes are skipped, and as much again when not", () => {
      const { machine, userPtes, kpkeys } = prepared(arch, skipping);
      const state = kpkeys.enterContext("PGTABLES");
      const extra = skipping ? 0 : 2 * 5;
      expect(
        cost(machine, () => {
          userPtes(5);
        }),
      ).toEqual({ writes: extra, barriers: extra * isb, setterBarriers: 0 });
      kpkeys.leaveContext(state);
    });
  });
});

describe("mainline's barriers after a setter on arm64", () => {
  const { machine, tables, table, format, lazy } = prepared("arm64-poe", true);
  const barriers = (run: () => void): number => cost(machine, run).setterBarriers;
  const levelOf = (name: string): number => format.geometry.levels.findIndex((level) => level.name === name);
  const entryOf = (protection: ProtectionName): Words =>
    format.makeLeaf(toLevel(levelOf("pte")), machine.memory.firstPfn, format.protections[protection]);

  it.each(["PAGE_KERNEL", "PAGE_KERNEL_RO"] as const)("follow a valid pte of %s, which is not the user's", (name) => {
    const { high, low } = entryOf(name);
    expect(
      barriers(() => {
        tables.setPte(table, 0, { high, low });
      }),
    ).toBe(1);
  });

  it.each(["PAGE_READONLY", "PAGE_SHARED"] as const)("do not follow a pte of %s, which is", (name) => {
    const { high, low } = entryOf(name);
    expect(
      barriers(() => {
        tables.setPte(table, 0, { high, low });
      }),
    ).toBe(0);
  });

  it("do not follow a pte that is cleared, nor one that is not executable for the user's sake alone", () => {
    expect(
      barriers(() => {
        tables.setPte(table, 0, { high: 0, low: 0 });
      }),
    ).toBe(0);
    // VALID without UXN: a kernel mapping has it.
    const { high, low } = entryOf("PAGE_KERNEL");
    expect(
      barriers(() => {
        tables.setPte(table, 0, { high: high & ~(1 << 22), low });
      }),
    ).toBe(0);
    tables.setPte(table, 0, { high: 0, low: 0 });
  });

  it.each([
    ["set_pmd", 1, 0],
    ["set_pud", 1, 0],
    ["set_p4d", 1, 1],
    ["set_pgd", 1, 1],
  ] as const)("follow %s of a valid entry: %i, of an invalid one: %i", (setter, valid, invalid) => {
    const set = (high: number, low: number): void => {
      if (setter === "set_pmd") tables.setPmd(table, 0, { high, low });
      else if (setter === "set_pud") tables.setPud(table, 0, { high, low });
      else if (setter === "set_p4d") tables.setP4d(table, 0, { high, low });
      else tables.setPgd(table, 0, { high, low });
    };
    const entry = format.makeTable(machine.memory.firstPfn, true);
    expect(
      barriers(() => {
        set(entry.high, entry.low);
      }),
    ).toBe(valid);
    expect(
      barriers(() => {
        set(0, 0);
      }),
    ).toBe(invalid);
  });

  it("follow set_ptes once for the whole run, and no exchange", () => {
    const { high, low } = entryOf("PAGE_KERNEL");
    expect(
      barriers(() => {
        tables.setPtes(table, 0, { high, low }, 64);
      }),
    ).toBe(1);
    expect(
      barriers(() => {
        for (let i = 0; i < 64; i++) tables.ptepGetAndClear(table, i);
        tables.ptepSetWrprotect(table, 0);
        tables.ptepTestAndClearYoung(table, 0);
      }),
    ).toBe(0);
  });

  it("are deferred to the end of a lazy MMU section, issued once, and issued by an inner disable", () => {
    const { high, low } = entryOf("PAGE_KERNEL");
    const kernelPte = (): void => {
      tables.setPte(table, 0, { high, low });
    };
    expect(
      barriers(() => {
        lazy.enable();
        for (let i = 0; i < 10; i++) kernelPte();
      }),
    ).toBe(0);
    expect(
      barriers(() => {
        lazy.enable();
        lazy.disable();
      }),
    ).toBe(1);
    expect(
      barriers(() => {
        lazy.disable();
      }),
    ).toBe(0);
  });

  it("x86 has none", () => {
    const other = prepared("x86-pks", true);
    expect(
      cost(other.machine, () => {
        other.kernelPtes(10);
      }).setterBarriers,
    ).toBe(0);
  });
});
