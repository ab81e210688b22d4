import { Access, OK, Privilege } from "@kpkeys/core/contracts";
import type { ArchTools, Cpu, PhysicalMemory, SystemRegisters, VectorOutcome } from "@kpkeys/core/contracts";
import {
  buildVectorTables,
  carryOut,
  fromWords,
  toWords,
  vectorAccess,
  vectorChoice,
  vectorFlag,
  vectorHex,
  vectorPrior,
} from "@kpkeys/core/machine";
import type { Vector } from "@kpkeys/core/machine";
import { describeFault, faultRegisters } from "./fault.js";
import { Bit, HighBit, KEY_SHIFT, LAST_LEVEL } from "./format.js";
import { LEVELS } from "./regime.js";
import { AD, CR0_WP, CR4_PKE, CR4_PKS, CR4_SMAP, CR4_SMEP, EFER_NXE, keyField, RFLAGS_AC } from "./registers.js";

/** EFAULT: what a system call returns when the kernel's access to a user's buffer faults. */
const EFAULT = 14;
/** Vector of #PF, which Linux reports in `trapno`. */
const PAGE_FAULT = 14;
/** The `si_code` of a SIGSEGV that rights caused: SEGV_ACCERR, or SEGV_PKUERR when a key did. */
const SEGV_ACCERR = 2;
const SEGV_PKUERR = 4;

/** The flags of a vector that are bits of a register. */
const FLAGS: readonly { readonly field: string; readonly register: string; readonly bit: number }[] = [
  { field: "cr0wp", register: "CR0", bit: CR0_WP },
  { field: "cr4smep", register: "CR4", bit: CR4_SMEP },
  { field: "cr4smap", register: "CR4", bit: CR4_SMAP },
  { field: "cr4pke", register: "CR4", bit: CR4_PKE },
  { field: "cr4pks", register: "CR4", bit: CR4_PKS },
  { field: "efer_nxe", register: "EFER", bit: EFER_NXE },
  { field: "ac", register: "RFLAGS", bit: RFLAGS_AC },
];

/** How the fields of an outcome come about: on a bare machine, or as Linux tells a user of them. */
const JUDGES = { "x86-pks": architecturalFields, "x86-pku": linuxFields };

function setFlags(vector: Vector, registers: SystemRegisters): void {
  for (const { field, register, bit } of FLAGS) {
    const others = registers.read(register) & ~BigInt(bit);
    registers.write(register, vectorFlag(vector, field) ? others | BigInt(bit) : others);
  }
}

function setKeys(cpu: Cpu, pkrs: bigint, pkru: bigint): void {
  cpu.writePkeyRegister(0, toWords(pkrs).low);
  cpu.systemRegisters.write("PKRU", pkru);
}

function runVector(vector: Vector, cpu: Cpu, memory: PhysicalMemory): VectorOutcome {
  const judge = vectorChoice(vector, "arch", JUDGES);
  const privilege = vectorChoice(vector, "mode", { user: Privilege.USER, supervisor: Privilege.KERNEL });
  const tables = buildVectorTables(vector, memory, LEVELS);
  setFlags(vector, cpu.systemRegisters);
  cpu.mmu.setKernelRoot(tables.root);
  cpu.mmu.invalidateAll();
  cpu.mmu.enabled = true;

  const make = (access: Access): string => {
    const { high, low } = tables.address;
    const status = tables.isRam
      ? carryOut(cpu, tables.address, access, privilege)
      : cpu.access(high, low, access, privilege);
    return status === OK ? "ok" : "fault";
  };

  const prior = vectorPrior(vector);
  let priorResult = {};
  if (prior !== undefined) {
    setKeys(cpu, 0n, 0n);
    priorResult = { prior: JSON.stringify({ ...(vector["prior"] as object), result: make(prior) }) };
  }
  // Vectors from a CPU without PKS have no IA32_PKRS.
  setKeys(cpu, "pkrs" in vector ? vectorHex(vector, "pkrs") : 0n, vectorHex(vector, "pkru"));
  const result = make(vectorAccess(vector));
  return { fields: { ...priorResult, result, ...judge(vector, cpu, result === "ok", tables.entries()) } };
}

function hex(high: number, low: number): string {
  return `0x${fromWords(high, low).toString(16)}`;
}

/** What the fault left in the registers; `null` without a fault. */
function faultFields({ fault }: Cpu, ok: boolean): VectorOutcome["fields"] {
  if (ok) return { error_code: null, cr2: null };
  return { error_code: hex(0, fault.syndromeLow), cr2: hex(fault.addressHigh, fault.addressLow) };
}

/** Where a walk sets accessed flags before it faults is the CPU's own business: the tables above count without a fault only. */
function architecturalFields(
  _vector: Vector,
  cpu: Cpu,
  ok: boolean,
  entries: readonly string[],
): VectorOutcome["fields"] {
  const leaf = entries.at(-1)!;
  const { low } = toWords(BigInt(leaf));
  const dirtyState = { a: (low & Bit.A) === 0 ? 0 : 1, d: (low & Bit.D) === 0 ? 0 : 1 };
  return {
    ...faultFields(cpu, ok),
    pte_after: leaf,
    ad_after: JSON.stringify(dirtyState),
    ...(ok ? { upper_after: JSON.stringify(entries.slice(0, -1)) } : {}),
  };
}

/** A fault in user mode becomes a SIGSEGV; one of the kernel's own access to user memory, an error of the system call. */
function linuxFields(vector: Vector, cpu: Cpu, ok: boolean): VectorOutcome["fields"] {
  if (vector["mode"] === "supervisor") return { errno: ok ? null : EFAULT };
  const pkey = ok ? undefined : signalledPkey(vector, cpu);
  return {
    ...faultFields(cpu, ok),
    trapno: ok ? null : PAGE_FAULT,
    si_code: ok ? null : pkey === undefined ? SEGV_ACCERR : SEGV_PKUERR,
    si_pkey: pkey ?? null,
  };
}

/**
 * The key that Linux blames (`bad_area_access_from_pkeys`): it asks PKRU about the key of the mapping even if the page was not
 * present, as those of PROT_NONE are not; the entry keeps that key.
 */
function signalledPkey(vector: Vector, { fault, systemRegisters }: Cpu): number | undefined {
  if (!vectorFlag(vector, "cr4pke") || fault.access === Access.FETCH) return undefined;
  const pkey = (fault.entryHigh >>> KEY_SHIFT) & 0xf;
  const field = keyField(Number(systemRegisters.read("PKRU")), pkey);
  const denied = (fault.access & Access.WRITE) !== 0 ? field !== 0 : (field & AD) !== 0;
  return denied ? pkey : undefined;
}

/** The level names that close a line, the top level first. */
const LEVEL_NAMES = ["pgd", "pud", "pmd", "pte"];

/**
 * The columns of `printk_prot` (arch/x86/mm/dump_pagetables.c), each of constant width: joined by blanks they make the line's
 * end. An entry that is not present has blanks.
 */
function ptdumpColumns(level: number, high: number, low: number): readonly string[] {
  const pat = level === LAST_LEVEL ? Bit.PS : Bit.PAT_LARGE;
  const flags: readonly (readonly [boolean, string, string])[] = [
    [(low & Bit.US) !== 0, "USR", ""],
    [(low & Bit.RW) !== 0, "RW", "ro"],
    [(low & Bit.PWT) !== 0, "PWT", ""],
    [(low & Bit.PCD) !== 0, "PCD", ""],
    [level !== LAST_LEVEL && (low & Bit.PS) !== 0, "PSE", ""],
    [(low & pat) !== 0, "PAT", ""],
    [(low & Bit.G) !== 0, "GLB", ""],
    [(high & HighBit.XD) !== 0, "NX", "x"],
  ];
  const present = (low & Bit.P) !== 0;
  const columns = flags.map(([on, yes, no]) =>
    (present ? (on ? yes : no) : "").padEnd(Math.max(yes.length, no.length)),
  );
  return [...columns, LEVEL_NAMES[level]!];
}

/** What tools ask about x86. */
export const X86_TOOLS: ArchTools = { describeFault, faultRegisters, ptdumpColumns, runVector };
