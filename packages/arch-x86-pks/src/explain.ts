import { KpkeysError } from "@kpkeys/core";
import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import type {
  ExplainInputRule,
  ExplainRules,
  FaultReport,
  GeometryEvidence,
  GivenInputs,
  NotTables,
  OtherMachine,
  ReportedAccess,
  SyndromeVerdict,
} from "@kpkeys/core/contracts";
import { createCpu } from "@kpkeys/core/machine";
import { formatOf, X86_RULES } from "./explain-rules.js";
import { causeOf, describeSignal, ErrorCode } from "./fault.js";
import { Bit } from "./entry-bits.js";
import { X86_GEOMETRIES } from "./geometry.js";
import { X86_OOPS } from "./oops.js";
import { X86Regime } from "./regime.js";
import { CR4_LA57, createSystemRegisters, IA32_PKRS } from "./registers.js";

/** MAXPHYADDR if it is not given: the plugin's default. */
const ADDRESS_BITS = 46n;

const INPUTS: readonly ExplainInputRule[] = [
  { name: "error-code", label: "error code", description: "of the #PF", role: "syndrome", bits: 32 },
  { name: "cr2", label: "CR2", description: "address accessed", role: "address", bits: 64 },
  register("pkrs", "IA32_PKRS", "rights of the keys of supervisor pages", "its value in the context DEFAULT", "keys"),
  register("pkru", "PKRU", "rights of the keys of user pages"),
  register("cr0", "CR0", "WP"),
  register("cr4", "CR4", "PKS, PKE, SMEP, SMAP; if given LA57", "as Linux sets it on a CPU with PKS"),
  register("efer", "EFER", "NXE"),
  register("rflags", "RFLAGS", "AC"),
  {
    name: "maxphyaddr",
    label: "MAXPHYADDR",
    description: "width of physical addresses in bits",
    role: "choice",
    bits: 6,
    decimal: true,
    standard: ADDRESS_BITS,
    whose: "a common width",
  },
  { name: "cr3", label: "CR3", description: "the root table's address", role: "shown", bits: 64 },
];

function register(
  name: string,
  label: string,
  description: string,
  whose = "as Linux sets it",
  role: ExplainInputRule["role"] = "register",
): ExplainInputRule {
  return { name, label, description, role, bits: 32, whose };
}

// The #PF error code (SDM, volume 3, "Page-Fault Exceptions").
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
  [7, "HLAT 1: the walk used the tables of HLAT paging", ""],
  [15, "SGX 1: the EPCM denies it", ""],
  [31, "RMP 1: the reverse map table denies it", ""],
];

/** Denials of an access to a present page that neither tables nor keys cause. */
const OTHER_CHECKS: readonly (readonly [bit: number, name: string, text: string, source: string])[] = [
  [
    ErrorCode.RMP,
    "RMP violation",
    "SEV-SNP: by the reverse map table the page belongs to another guest, or is assigned in another size",
    "AMD APM vol. 2, RMP and VMPL Access Checks",
  ],
  [
    ErrorCode.SGX,
    "SGX violation",
    "the page is of the enclave page cache, and the EPCM does not allow this access",
    "SDM vol. 3, Page-Fault Exceptions",
  ],
  [
    ErrorCode.SS,
    "shadow-stack violation",
    "a shadow-stack access needs a page of a shadow stack (R/W 0, D 1), and such a page allows no other write",
    "SDM vol. 3, Determination of Access Rights",
  ],
];

function notTables({ syndromeLow }: FaultReport): NotTables | undefined {
  if ((syndromeLow & ErrorCode.P) === 0) return undefined;
  const found = OTHER_CHECKS.find(([bit]) => (syndromeLow & bit) !== 0);
  return found && { name: found[1], rules: [{ text: found[2], source: found[3] }] };
}

/** The error code without the bits of shadow stacks and HLAT, which the model does not have. */
function comparable(report: FaultReport): FaultReport {
  return { ...report, syndromeLow: report.syndromeLow & ~(ErrorCode.SS | ErrorCode.HLAT) };
}

function geometryOf({ values, given }: GivenInputs): GeometryEvidence {
  if (given["cr4"] === undefined) return {};
  return { vaBits: (values["cr4"]! & BigInt(CR4_LA57)) === 0n ? 48 : 57 };
}

/** Widths of CPUs. An address may be too wide, and the SEV bit of encrypted pages is one of the highest address bits. */
const OTHER_WIDTHS: readonly OtherMachine[] = [48n, 52n, 45n, 43n, 40n, 39n, 36n].map((maxphyaddr) => ({ maxphyaddr }));

function decidedBy({ syndromeLow }: FaultReport): SyndromeVerdict {
  const rule = { text: "the error code names the check that failed", source: "SDM vol. 3, Page-Fault Exceptions" };
  return { kind: kindOf(syndromeLow), name: causeOf(syndromeLow), rule };
}

function kindOf(code: number): FaultKind {
  if ((code & ErrorCode.P) === 0) return FaultKind.TRANSLATION;
  if ((code & ErrorCode.RSVD) !== 0) return FaultKind.RESERVED;
  return (code & ErrorCode.PK) === 0 ? FaultKind.PERMISSION : FaultKind.PKEY;
}

function syndromeDetails({ syndromeLow }: FaultReport): string[] {
  const words = CODE_BITS.map(([bit, set, clear]) => ((syndromeLow >>> bit) & 1 ? set : clear));
  return [words.filter((text) => text !== "").join("; ")];
}

function reportedAccess(code: number): ReportedAccess {
  const isWrite = (code & ErrorCode.W) !== 0;
  return {
    access: (code & ErrorCode.I) !== 0 ? Access.FETCH : isWrite ? Access.WRITE : Access.READ,
    privilege: (code & ErrorCode.U) !== 0 ? Privilege.USER : Privilege.KERNEL,
  };
}

function physicalAddressBits({ maxphyaddr }: GivenInputs["values"]): number {
  const width = Number(maxphyaddr);
  if (width >= 36 && width <= 52) return width;
  throw new KpkeysError("ERR_EXPLAIN_INPUT", `MAXPHYADDR cannot be ${width}`, {
    where: "maxphyaddr",
    expected: "36 to 52",
  });
}

/** The rules by which an x86 fault is explained. */
export const X86_EXPLAIN: ExplainRules = {
  pkeyRegister: IA32_PKRS,
  openKeys: { userRegister: "PKRU", value: { high: 0, low: 0 } },
  inputs: INPUTS,
  oops: X86_OOPS,
  openTable: BigInt(Bit.P | Bit.RW | Bit.US | Bit.A),
  privileges: {
    [Privilege.USER]: "the user",
    [Privilege.KERNEL]: "the supervisor",
    [Privilege.UACCESS]: "the supervisor between stac and clac",
  },
  uncompared: [],
  comparable,
  notTables,
  describeSignal,
  geometries: X86_GEOMETRIES,
  formatOf,
  geometryOf,
  otherMachines: ({ given }) => (given["maxphyaddr"] === undefined ? OTHER_WIDTHS : []),
  decidedBy,
  createSystemRegisters: (geometry) => createSystemRegisters(true, geometry),
  createCpu(memory, addressBits, geometry) {
    const systemRegisters = createSystemRegisters(true);
    return createCpu({
      id: 0,
      regime: new X86Regime(systemRegisters.state, addressBits, geometry),
      memory,
      systemRegisters,
    });
  },
  physicalAddressBits,
  reportedAccess,
  syndromeDetails,
  ...X86_RULES,
};
