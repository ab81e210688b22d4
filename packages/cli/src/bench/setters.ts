import { setFlagsFromString } from "node:v8";
import { LazyMmu, PageTables } from "@kpkeys/core/contracts";
import { figure, step } from "./figure.js";
import type { Figure, Setup } from "./figure.js";

// What is imported is loaded each time; what stands here is folded.
const next: typeof step = step;

const OPERATIONS = 1_000_000;
/** A multiple of a table's 512 entries. */
const BULK_OPERATIONS = 1_024_000;
/** How many tables are written in turn. */
const TABLES = 64;
/** The low word of the C reference's leaf: valid page, accessed, inner shareable. Its high word is 0. */
const LEAF = 0x703;

interface Tables {
  readonly tables: PageTables;
  readonly lazy: LazyMmu;
  readonly own: Int32Array;
}

async function tablesOf({ boot }: Setup): Promise<Tables> {
  const machine = await boot();
  const tables = machine.get(PageTables);
  const own = Int32Array.from({ length: TABLES }, () => tables.allocTable("kernel"));
  return { tables, lazy: machine.get(LazyMmu), own };
}

const setPte: Figure["prepare"] = async (setup) => {
  const { tables, own } = await tablesOf(setup);
  function run(): void {
    let x = 1;
    for (let n = OPERATIONS; n > 0; n--) {
      x = next(x);
      tables.setPte(own[(x >>> 8) & 63]!, (x >>> 16) & 511, 0, ((x & 0xfffff) << 12) | LEAF);
    }
  }
  return { run, operations: OPERATIONS };
};

const lazySetPte: Figure["prepare"] = async (setup) => {
  const { tables, lazy, own } = await tablesOf(setup);
  function run(): void {
    for (let i = 0; i < BULK_OPERATIONS; i += 512) {
      const table = own[(i >>> 9) & 63]!;
      lazy.enable();
      for (let j = 0; j < 512; j++) tables.setPte(table, j, 0, (((i + j) & 0xfffff) << 12) | LEAF);
      lazy.disable();
    }
  }
  return { run, operations: BULK_OPERATIONS };
};

const bulkSet: Figure["prepare"] = async (setup) => {
  const { tables, lazy, own } = await tablesOf(setup);
  function run(): void {
    for (let i = 0; i < BULK_OPERATIONS; i += 512) {
      lazy.enable();
      tables.setPtes(own[(i >>> 9) & 63]!, 0, 0, ((i & 0xfffff) << 12) | LEAF, 512);
      lazy.disable();
    }
  }
  return { run, operations: BULK_OPERATIONS };
};

/** The code of the first machine of a process is folded for it: a second one makes that of both general, and slow. */
const besideAnother: Figure["prepare"] = async (setup) => {
  const { buildMachine } = await import("@kpkeys/kernel");
  const { loadPlugins } = await import("../plugins.js");
  const first = await setup.boot();
  buildMachine(
    { ...first.spec, memory: [{ bytes: 2 ** 28 }] },
    await loadPlugins(setup.arch, first.spec.features.length > 0 ? ["pgtables"] : []),
  );
  return setPte({ ...setup, boot: () => Promise.resolve(first) });
};

/** V8 takes 920 bytes of bytecode into one function; the whole path has 2,000. A replay gets slower: it is over before all is compiled. */
const inOnePiece: Figure["prepare"] = (setup) => {
  setFlagsFromString("--max-inlined-bytecode-size-cumulative=2500");
  return setPte(setup);
};

const IN_REFERENCE = { inReference: true };

/** Writes of page tables, by the kernel's own setters with the feature's own guards. */
export const SETTER_FIGURES: readonly Figure[] = [
  figure("guarded-set-pte", "a set_pte that opens its guard", setPte, IN_REFERENCE),
  figure("lazy-set-pte", "a set_pte inside a lazy MMU section", lazySetPte, IN_REFERENCE),
  figure("bulk-set-512", "an entry of a set_ptes of 512, in a lazy MMU section", bulkSet, IN_REFERENCE),
  figure("set-pte-without-feature", "a set_pte of a kernel without the feature", setPte, { policy: "off" }),
  figure("set-pte-off", "a set_pte of a kernel whose feature is off", setPte, {
    pkeys: false,
    baseline: "set-pte-without-feature",
  }),
  figure("rejected-two-machines", "guarded-set-pte in a process with a second machine", besideAnother, {
    perArch: false,
    baseline: "guarded-set-pte",
  }),
  figure("rejected-more-inlining", "guarded-set-pte where V8 may inline all of it", inOnePiece, {
    perArch: false,
    baseline: "guarded-set-pte",
  }),
];
