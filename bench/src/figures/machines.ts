import { PageTables } from "@kpkeys/core/contracts";
import { figure } from "../figure.js";
import type { Figure } from "../figure.js";
import { boot } from "../machine.js";
import type { ArchId } from "../machine.js";
import { nsPerOpOf, warmUp } from "../timing.js";

const MACHINES = 10;
const OPERATIONS = 512_000;
const ENTRIES = 512;
/** The low word of the C reference's leaf: valid page, accessed, inner shareable. Its high word is 0. */
const LEAF = 0x703;

/** Boots a small machine. @returns a function that writes the entries of one of its tables, each write with a guard */
function guardedWrites(arch: ArchId): () => void {
  const tables = boot(arch, { mib: 256 }).get(PageTables);
  const table = tables.allocTable("kernel")!;
  return () => {
    for (let n = 0; n < OPERATIONS; n++)
      tables.setPte(table, n & (ENTRIES - 1), { high: 0, low: ((n & 0xfffff) << 12) | LEAF });
  };
}

/** Measures the first machine while it is the only one, and the tenth after all ten have done the same work. */
async function tenthToFirst(arch: ArchId): Promise<{ nsPerOp: number; ratioToFirst: number }> {
  const first = guardedWrites(arch);
  await warmUp(first);
  const nsOfFirst = await nsPerOpOf(first, OPERATIONS);
  let last = first;
  for (let n = 2; n <= MACHINES; n++) {
    last = guardedWrites(arch);
    last();
  }
  await warmUp(last);
  const nsPerOp = await nsPerOpOf(last, OPERATIONS);
  return { nsPerOp, ratioToFirst: nsPerOp / nsOfFirst };
}

/** Many machines in one process, as in a search, in `kpkeys museum` and in a test run. */
export const MACHINES_FIGURE: Figure = figure(
  "machines-tenth-to-first",
  "a guarded set_pte on the tenth machine of a process",
  (arch) => Promise.resolve(() => tenthToFirst(arch)),
  { fresh: true },
);
