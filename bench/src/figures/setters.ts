import { setFlagsFromString } from "node:v8";
import { LazyMmu, PageTables, toPfn } from "@kpkeys/core/contracts";
import { figure, step } from "../figure.js";
import type { Figure, Measure } from "../figure.js";
import { boot } from "../machine.js";
import type { ArchId, MachineOptions } from "../machine.js";
import { warm } from "../timing.js";

// Local copies: docs/performance.md, "Imported bindings".
const next: typeof step = step;

const OPERATIONS = 1_000_000;
/** A multiple of a table's 512 entries. */
const BULK_OPERATIONS = 1_024_000;
/** Number of tables that are written. */
const TABLES = 64;
/** The low word of the C reference's leaf: valid page, accessed, inner shareable. Its high word is 0. */
const LEAF = 0x703;

interface Tables {
  readonly tables: PageTables;
  readonly lazy: LazyMmu;
  readonly own: Int32Array;
}

function tablesOf(arch: ArchId, options?: MachineOptions): Tables {
  const machine = boot(arch, options);
  const tables = machine.get(PageTables);
  const own = Int32Array.from({ length: TABLES }, () => tables.allocTable("kernel")!);
  return { tables, lazy: machine.get(LazyMmu), own };
}

function setPte(arch: ArchId, options?: MachineOptions): Promise<Measure> {
  const { tables, own } = tablesOf(arch, options);
  function run(): void {
    let x = 1;
    for (let n = OPERATIONS; n > 0; n--) {
      x = next(x);
      tables.setPte(toPfn(own[(x >>> 8) & 63]!), (x >>> 16) & 511, { high: 0, low: ((x & 0xfffff) << 12) | LEAF });
    }
  }
  return warm(run, OPERATIONS);
}

const lazySetPte: Figure["prepare"] = (arch) => {
  const { tables, lazy, own } = tablesOf(arch);
  function run(): void {
    for (let i = 0; i < BULK_OPERATIONS; i += 512) {
      const table = own[(i >>> 9) & 63]!;
      lazy.enable();
      for (let j = 0; j < 512; j++)
        tables.setPte(toPfn(table), j, { high: 0, low: (((i + j) & 0xfffff) << 12) | LEAF });
      lazy.disable();
    }
  }
  return warm(run, BULK_OPERATIONS);
};

const bulkSet: Figure["prepare"] = (arch) => {
  const { tables, lazy, own } = tablesOf(arch);
  function run(): void {
    for (let i = 0; i < BULK_OPERATIONS; i += 512) {
      lazy.enable();
      tables.setPtes(toPfn(own[(i >>> 9) & 63]!), 0, { high: 0, low: ((i & 0xfffff) << 12) | LEAF }, 512);
      lazy.disable();
    }
  }
  return warm(run, BULK_OPERATIONS);
};

/** The guarded set_pte with a larger inlining limit (docs/performance.md, "Inlining"). */
const inlined: Figure["prepare"] = (arch) => {
  setFlagsFromString("--max-inlined-bytecode-size-cumulative=2500");
  return setPte(arch);
};

/** Page-table writes by the kernel's setters with the guards of the feature. */
export const SETTER_FIGURES: readonly Figure[] = [
  figure("guarded-set-pte", "a set_pte that opens its guard", (arch) => setPte(arch)),
  figure("lazy-set-pte", "a set_pte inside a lazy MMU section", lazySetPte),
  figure("bulk-set-512", "an entry of a set_ptes of 512, in a lazy MMU section", bulkSet),
  figure("set-pte-without-feature", "a set_pte of a kernel without the feature", (arch) =>
    setPte(arch, { hardened: false }),
  ),
  figure("set-pte-off", "a set_pte with the feature on CPUs without pkeys", (arch) => setPte(arch, { pkeys: false })),
  figure("rejected-more-inlining", "guarded-set-pte with a larger inlining limit of V8", inlined, { byName: true }),
];
