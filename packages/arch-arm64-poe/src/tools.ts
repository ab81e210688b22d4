import type { ArchTools, Geometry } from "@kpkeys/core/contracts";
import { ARM64_EXPLAIN } from "./explain.js";
import { describeFault, faultRegisters } from "./fault.js";
import { Bit, HighBit, MEMORY_TYPES } from "./entry-bits.js";
import { ARM64_VECTORS } from "./vectors.js";

/**
 * The columns of the kernel's ptdump (arch/arm64/mm/ptdump.c), each of constant width. Joined by blanks they are the end of a line,
 * after the level's name.
 */
function ptdumpColumns(_level: number, high: number, low: number): readonly string[] {
  const flags: readonly (readonly [boolean, string, string])[] = [
    [(low & Bit.VALID) !== 0, " ", "F"],
    [(low & Bit.USER) !== 0, "USR", "   "],
    [(low & Bit.RDONLY) !== 0, "ro", "RW"],
    [(high & HighBit.PXN) !== 0, "NX", "x "],
    [(low & Bit.SHARED) === Bit.SHARED, "SHD", "   "],
    [(low & Bit.AF) !== 0, "AF", "  "],
    [(low & Bit.NG) !== 0, "NG", "  "],
    [(high & HighBit.CONT) !== 0, "CON", "   "],
    [(low & Bit.TABLE) !== 0, "   ", "BLK"],
    [(high & HighBit.UXN) !== 0, "UXN", "   "],
    [(high & HighBit.GP) !== 0, "GP", "  "],
  ];
  return [...flags.map(([on, set, clear]) => (on ? set : clear)), MEMORY_TYPES[(low >>> 2) & 7] ?? ""];
}

/**
 * Makes arm64's services for tools: fault texts, ptdump columns, explanations, vectors.
 *
 * @param geometry - the shape of a machine's tables
 * @returns the services
 */
export function createTools({ pageShift }: Geometry): ArchTools {
  return {
    describeFault: (fault) => describeFault(fault, pageShift),
    faultRegisters,
    ptdumpColumns,
    explanation: ARM64_EXPLAIN,
    vectors: ARM64_VECTORS,
  };
}
