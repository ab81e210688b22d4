import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import type { FaultReport } from "@kpkeys/core/contracts";
import { createCpu, refuseInput, toWords } from "@kpkeys/core/machine";
import type { ExplainRules, InputRule } from "@kpkeys/core/machine";
import { X86_RULES } from "./explain-rules.js";
import { ErrorCode } from "./fault.js";
import { Bit } from "./format.js";
import { createRegime } from "./regime.js";
import { createSystemRegisters, IA32_PKRS } from "./registers.js";
import { X86_VECTORS } from "./vectors.js";

/** MAXPHYADDR unless it is given: the plugin's. */
const ADDRESS_BITS = 46n;

const INPUTS: readonly InputRule[] = [
  { name: "error-code", label: "error code", description: "of the #PF", required: true, role: "report", bits: 32 },
  { name: "cr2", label: "CR2", description: "address accessed", required: true, role: "report", bits: 64 },
  register("pkrs", "IA32_PKRS", "rights of the keys of supervisor pages", "its value in the context DEFAULT", "keys"),
  register("pkru", "PKRU", "rights of the keys of user pages"),
  register("cr0", "CR0", "WP"),
  register("cr4", "CR4", "PKS, PKE, SMEP, SMAP", "as Linux sets it on a CPU with PKS"),
  register("efer", "EFER", "NXE"),
  register("rflags", "RFLAGS", "AC"),
  {
    name: "maxphyaddr",
    label: "MAXPHYADDR",
    description: "width of physical addresses in bits",
    required: false,
    role: "choice",
    bits: 6,
    decimal: true,
    standard: ADDRESS_BITS,
    whose: "a usual width",
  },
];

function register(
  name: string,
  label: string,
  description: string,
  whose = "as Linux sets it",
  role: InputRule["role"] = "register",
): InputRule {
  return { name, label, description, required: false, role, bits: 32, whose };
}

// The #PF error code (SDM, volume 3, section 4.7).
//
//   31   15   6   5   4   3     2  1  0
//   RMP  SGX  SS  PK  ID  RSVD  U  W  P

const CODE_BITS: readonly (readonly [bit: number, set: string, clear: string])[] = [
  [0, "P 1: the page was present", "P 0: some entry was not present"],
  [1, "W 1: a write", "W 0: no write"],
  [2, "U 1: in user mode", "U 0: in supervisor mode"],
  [3, "RSVD 1: a reserved bit", ""],
  [4, "I 1: an instruction fetch", ""],
  [5, "PK 1: a key denies it", "PK 0"],
  [6, "SS 1: a shadow-stack access", ""],
  [15, "SGX 1", ""],
  [31, "RMP 1", ""],
];

function syndromeDetails({ syndromeLow }: FaultReport): string[] {
  const words = CODE_BITS.map(([bit, set, clear]) => ((syndromeLow >>> bit) & 1 ? set : clear));
  return [words.filter((text) => text !== "").join("; ")];
}

function report(values: Readonly<Record<string, bigint>>): FaultReport {
  const { low: syndromeLow } = toWords(values["error-code"]!);
  const { high: addressHigh, low: addressLow } = toWords(values["cr2"]!);
  const isWrite = (syndromeLow & ErrorCode.W) !== 0;
  return {
    kind: FaultKind.NONE,
    addressHigh,
    addressLow,
    syndromeHigh: 0,
    syndromeLow,
    level: 0,
    entryHigh: 0,
    entryLow: 0,
    pkey: 0,
    access: (syndromeLow & ErrorCode.I) !== 0 ? Access.FETCH : isWrite ? Access.WRITE : Access.READ,
    privilege: (syndromeLow & ErrorCode.U) !== 0 ? Privilege.USER : Privilege.KERNEL,
    pkeyRegisterHigh: 0,
    pkeyRegisterLow: 0,
  };
}

function physicalAddressBits({ maxphyaddr }: Readonly<Record<string, bigint>>): number {
  const width = Number(maxphyaddr);
  if (width < 36 || width > 52) throw refuseInput(`${width} is no MAXPHYADDR`, "36 to 52", "maxphyaddr");
  return width;
}

/** How x86 explains its accesses. */
export const X86_EXPLAIN: ExplainRules = {
  pkeyRegister: IA32_PKRS,
  vectors: X86_VECTORS,
  inputs: INPUTS,
  openTable: BigInt(Bit.P | Bit.RW | Bit.US | Bit.A),
  privileges: {
    [Privilege.USER]: "the user",
    [Privilege.KERNEL]: "the supervisor",
    [Privilege.UACCESS]: "the supervisor between stac and clac",
  },
  uncompared: [],
  createSystemRegisters: () => createSystemRegisters(true),
  createCpu(memory, addressBits) {
    const systemRegisters = createSystemRegisters(true);
    return createCpu({ id: 0, regime: createRegime(systemRegisters.state, addressBits), memory, systemRegisters });
  },
  physicalAddressBits,
  report,
  syndromeDetails,
  ...X86_RULES,
};
