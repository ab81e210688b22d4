import type { ArchTools, Geometry } from "@kpkeys/core/contracts";
import { X86_EXPLAIN } from "./explain.js";
import { describeFault, faultRegisters } from "./fault.js";
import { Bit, HighBit } from "./entry-bits.js";
import { X86_VECTORS } from "./vectors.js";

/**
 * The columns of `printk_prot` (arch/x86/mm/dump_pagetables.c), each of constant width. Joined by blanks they are the end of a line. An
 * entry that is not present has blanks.
 */
function ptdumpColumns({ levels }: Geometry, level: number, high: number, low: number): readonly string[] {
  const isLast = level === levels.length - 1;
  const pat = isLast ? Bit.PS : Bit.PAT_LARGE;
  const flags: readonly (readonly [boolean, string, string])[] = [
    [(low & Bit.US) !== 0, "USR", ""],
    [(low & Bit.RW) !== 0, "RW", "ro"],
    [(low & Bit.PWT) !== 0, "PWT", ""],
    [(low & Bit.PCD) !== 0, "PCD", ""],
    [!isLast && (low & Bit.PS) !== 0, "PSE", ""],
    [(low & pat) !== 0, "PAT", ""],
    [(low & Bit.G) !== 0, "GLB", ""],
    [(high & HighBit.XD) !== 0, "NX", "x"],
  ];
  const present = (low & Bit.P) !== 0;
  const columns = flags.map(([on, yes, no]) =>
    (present ? (on ? yes : no) : "").padEnd(Math.max(yes.length, no.length)),
  );
  return [...columns, levels[level]!.name];
}

/**
 * Makes x86's services for tools: fault texts, ptdump columns, explanations, vectors.
 *
 * @param geometry - the shape of a machine's tables
 * @returns the services
 */
export function createTools(geometry: Geometry): ArchTools {
  return {
    describeFault,
    faultRegisters,
    ptdumpColumns: (level, high, low) => ptdumpColumns(geometry, level, high, low),
    explanation: X86_EXPLAIN,
    vectors: X86_VECTORS,
  };
}
