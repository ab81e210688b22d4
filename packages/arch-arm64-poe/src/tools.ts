import { OK, Privilege } from "@kpkeys/core/contracts";
import type { Access, ArchTools, Cpu, FaultReport, PhysicalMemory, VectorOutcome } from "@kpkeys/core/contracts";
import {
  buildVectorTables,
  carryOut,
  fromWords,
  toWords,
  vectorAccess,
  vectorFlag,
  vectorHex,
  vectorPrior,
} from "@kpkeys/core/machine";
import type { Vector } from "@kpkeys/core/machine";
import {
  describeFault,
  ESR_DIRTY_BIT,
  ESR_OVERLAY,
  ESR_WNR,
  exceptionClassOf,
  faultRegisters,
  statusOf,
} from "./fault.js";
import { Bit, HighBit } from "./format.js";
import { LEVELS } from "./regime.js";
import {
  PSTATE_PAN,
  SCTLR_EPAN,
  SCTLR_WXN,
  TCR2_E0POE,
  TCR2_PIE,
  TCR2_POE,
  TCR_HA,
  TCR_HD,
  TCR_HPD0,
  TCR_HPD1,
} from "./registers.js";

/** The flags of a vector as bits of the registers that hold them; SCTLR_EL1.WXN is 0 throughout. */
const FLAGS: Readonly<Record<string, readonly (readonly [field: string, bits: bigint])[]>> = {
  TCR2_EL1: [
    ["pie", TCR2_PIE],
    ["poe", TCR2_POE],
    ["e0poe", TCR2_E0POE],
  ],
  TCR_EL1: [
    ["ha", TCR_HA],
    ["hd", TCR_HD],
    ["hpd", TCR_HPD0 | TCR_HPD1],
  ],
  SCTLR_EL1: [
    ["epan", SCTLR_EPAN],
    ["wxn", SCTLR_WXN],
  ],
  PSTATE: [["pan", PSTATE_PAN]],
};

/** All rights on all keys: what stands in both overlay registers during a vector's prior access. */
const ALL_OPEN = 0x77777777n;

/** A bit pattern of a vector that is absent where it does not matter. */
function optionalHex(vector: Vector, field: string): bigint {
  return field in vector ? vectorHex(vector, field) : 0n;
}

function setRegisters(vector: Vector, { systemRegisters }: Cpu): void {
  for (const [register, flags] of Object.entries(FLAGS)) {
    let value = systemRegisters.read(register);
    for (const [field, bits] of flags) value = vectorFlag(vector, field) ? value | bits : value & ~bits;
    systemRegisters.write(register, value);
  }
  systemRegisters.write("PIR_EL1", optionalHex(vector, "pir_el1"));
  systemRegisters.write("PIRE0_EL1", optionalHex(vector, "pire0_el1"));
}

function setOverlays(cpu: Cpu, porEl1: bigint, porEl0: bigint): void {
  const { high, low } = toWords(porEl1);
  cpu.writePkeyRegister(high, low);
  cpu.synchronise();
  cpu.systemRegisters.write("POR_EL0", porEl0);
}

function privilegeOf(vector: Vector): Privilege {
  if (!vectorFlag(vector, "el")) return Privilege.USER;
  return vectorFlag(vector, "unpriv") ? Privilege.UACCESS : Privilege.KERNEL;
}

function runVector(vector: Vector, cpu: Cpu, memory: PhysicalMemory): VectorOutcome {
  const privilege = privilegeOf(vector);
  const tables = buildVectorTables(vector, memory, LEVELS);
  setRegisters(vector, cpu);
  if (vectorFlag(vector, "ttbr")) cpu.mmu.setKernelRoot(tables.root);
  else cpu.mmu.setUserRoot(tables.root, 1);
  cpu.mmu.invalidateAll();
  cpu.mmu.enabled = true;

  function make(access: Access): boolean {
    const { high, low } = tables.address;
    const status = tables.isRam
      ? carryOut(cpu, tables.address, access, privilege)
      : cpu.access(high, low, access, privilege);
    return status === OK;
  }

  const prior = vectorPrior(vector);
  let priorOk = true;
  if (prior !== undefined) {
    setOverlays(cpu, ALL_OPEN, ALL_OPEN);
    priorOk = make(prior);
  }
  setOverlays(cpu, optionalHex(vector, "por_el1"), optionalHex(vector, "por_el0"));
  const ok = make(vectorAccess(vector));
  const entries = tables.entries();
  return {
    fields: {
      result: ok ? "ok" : "fault",
      ...faultFields(ok ? undefined : cpu.fault),
      pte_after: entries.at(-1)!,
      ...(ok ? { upper_after: JSON.stringify(entries.slice(0, -1)) } : {}),
      ...(prior === undefined
        ? {}
        : { prior: JSON.stringify({ ...(vector["prior"] as object), result: priorOk ? "ok" : "fault" }) }),
    },
  };
}

function hex(high: number, low: number): string {
  return `0x${fromWords(high, low).toString(16)}`;
}

/** What the fault left in the registers; `null` without a fault. */
function faultFields(fault: FaultReport | undefined): VectorOutcome["fields"] {
  if (fault === undefined) {
    return { esr: null, far: null, ec: null, fsc: null, wnr: null, overlay: null, dirtybit: null };
  }
  const { syndromeHigh, syndromeLow, addressHigh, addressLow } = fault;
  return {
    esr: hex(syndromeHigh, syndromeLow),
    far: hex(addressHigh, addressLow),
    ec: hex(0, exceptionClassOf(syndromeLow)),
    fsc: hex(0, statusOf(syndromeLow)),
    wnr: (syndromeLow & ESR_WNR) === 0 ? 0 : 1,
    overlay: (syndromeHigh & ESR_OVERLAY) === 0 ? 0 : 1,
    dirtybit: (syndromeHigh & ESR_DIRTY_BIT) === 0 ? 0 : 1,
  };
}

/** Names of the memory types by AttrIndx, as Linux sets MAIR_EL1 up (asm/memory.h). */
const MEMORY_TYPES = ["MEM/NORMAL", "MEM/NORMAL-TAGGED", "MEM/NORMAL-NC", "DEVICE/nGnRnE", "DEVICE/nGnRE"] as const;

/**
 * The columns of the kernel's ptdump (arch/arm64/mm/ptdump.c), each of constant width: joined by blanks they make the line's end.
 * The level's name comes before them there.
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

/** What tools ask about arm64. */
export const ARM64_TOOLS: ArchTools = { describeFault, faultRegisters, ptdumpColumns, runVector };
