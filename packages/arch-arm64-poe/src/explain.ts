import { KpkeysError } from "@kpkeys/core";
import { Access, FaultKind, Privilege, toVirtAddr } from "@kpkeys/core/contracts";
import type {
  ExplainInputRule,
  ExplainRules,
  FaultReport,
  Geometry,
  GivenInputs,
  NotTables,
  OtherMachine,
  ReportedAccess,
  Rule,
  SyndromeVerdict,
  VirtAddr,
} from "@kpkeys/core/contracts";
import { createCpu, fromWords, hex } from "@kpkeys/core/machine";
import { addressBitsOf, arm64GeometryOf, geometryOf, NARROWER } from "./explain-geometry.js";
import { ARM64_RULES } from "./explain-rules.js";
import { describeSignal, ESR_OVERLAY, ESR_WNR, exceptionClassOf, statusOf } from "./fault.js";
import { faultInfo, isTranslationResult, LEVEL_MINUS_ONE, STATUS_SOURCE, statusMeaning } from "./fault-status.js";
import { Bit } from "./entry-bits.js";
import { ARM64_FORMAT, createFormat } from "./format.js";
import { ARM64_GEOMETRIES } from "./geometry.js";
import { ARM64_OOPS } from "./oops.js";
import { Arm64Regime } from "./regime.js";
import { createSystemRegisters, POR_EL1 } from "./registers.js";
import { TCR_HA, TCR_HD, TCR_IPS, TCR_IPS_SHIFT, TCR_TBI0, TCR_TBI1, tcrOf } from "./tcr.js";

const INPUTS: readonly ExplainInputRule[] = [
  { name: "esr", label: "ESR_EL1", description: "syndrome of the abort", role: "syndrome", bits: 64 },
  { name: "far", label: "FAR_EL1", description: "address accessed", role: "address", bits: 64 },
  register("por", "POR_EL1", "rights of the keys for EL1", "its value in the context DEFAULT", "keys"),
  register("por-el0", "POR_EL0", "rights of the keys for EL0"),
  register("pir", "PIR_EL1", "base permissions of EL1 by PIIndex", "the kpkeys series' value"),
  register("pire0", "PIRE0_EL1", "base permissions of EL0 by PIIndex"),
  register("tcr2", "TCR2_EL1", "PIE, POE, E0POE", "the kpkeys series' value"),
  register("tcr", "TCR_EL1", "HA, HD, HPD0, HPD1; if given T0SZ, T1SZ, TG0, TG1, IPS, TBI0, TBI1"),
  register("sctlr", "SCTLR_EL1", "WXN, EPAN"),
  register("pstate", "PSTATE", "PAN, where SPSR_EL1 has it"),
  {
    name: "unpriv",
    label: "unpriv",
    description: "1 if the instruction was an LDTR or STTR",
    role: "choice",
    bits: 1,
    standard: 0n,
    whose: "a plain load or store",
  },
  { name: "ttbr", label: "TTBR", description: "the root table's address, printed as pgdp", role: "shown", bits: 64 },
];

function register(
  name: string,
  label: string,
  description: string,
  whose = "as Linux sets it",
  role: ExplainInputRule["role"] = "register",
): ExplainInputRule {
  return { name, label, description, role, bits: 64, whose };
}

// Further flags of an abort's ISS and ISS2 (Arm ARM, ESR_EL1); bit positions are those of ESR_EL1.
//
//   47..43  42   41         40   36..32  25  24   10   9   8   7
//   HDBSSF  TnD  TagAccess  GCS  Xs      IL  ISV  FnV  EA  CM  S1PTW

const ISS_FLAGS: readonly (readonly [bit: bigint, name: string, always: boolean])[] = [
  [25n, "IL", true],
  [7n, "S1PTW", true],
  [24n, "ISV", false],
  [10n, "FnV", false],
  [9n, "EA", false],
  [8n, "CM", false],
  [40n, "GCS", false],
  [41n, "TagAccess", false],
  [42n, "TnD", false],
  [43n, "HDBSSF", false],
];

function syndromeDetails({ syndromeHigh, syndromeLow }: FaultReport): string[] {
  const esr = fromWords(syndromeHigh, syndromeLow);
  const flags = ISS_FLAGS.map(([bit, name, always]) => ({ name, value: (esr >> bit) & 1n, always }));
  const shown = flags.filter(({ value, always }) => always || value !== 0n);
  const iss2 = (esr >> 32n) & 0xffffffn;
  const upper = iss2 === 0n ? [] : [`ISS2 ${hex(iss2)}`];
  return [[...shown.map(({ name, value }) => `${name} ${value}`), ...upper].join(", ")];
}

/** The exception classes of aborts: of instructions 0x20 and 0x21, of data 0x24 and 0x25; the odd ones from EL1. */
function reportedAccess(syndromeLow: number, { esr, unpriv }: GivenInputs["values"]): ReportedAccess {
  const exceptionClass = exceptionClassOf(syndromeLow);
  if ((exceptionClass & ~5) !== 0x20) {
    const what = `EC ${hex(exceptionClass)} of ESR_EL1 ${hex(esr!)} is not an abort`;
    throw new KpkeysError("ERR_EXPLAIN_INPUT", what, { where: "esr", expected: "EC 0x20, 0x21, 0x24 or 0x25" });
  }
  const isData = (exceptionClass & 4) !== 0;
  const unprivileged = unpriv === 0n ? Privilege.KERNEL : Privilege.UACCESS;
  return {
    access: isData ? ((syndromeLow & ESR_WNR) === 0 ? Access.READ : Access.WRITE) : Access.FETCH,
    privilege: (exceptionClass & 1) === 0 ? Privilege.USER : unprivileged,
  };
}

/** Hex digits of the low word: more of them mean that the upper half of ESR_EL1 was given. */
const LOW_WORD_DIGITS = 8;

/** Kernels before 5.19 and many tools print 32 bits of ESR_EL1. ISS2 is then not known. */
function unknown({ esr = "" }: GivenInputs["given"]): ReturnType<NonNullable<ExplainRules["unknown"]>> {
  if (esr.replace(/^0x/i, "").length > LOW_WORD_DIGITS) return undefined;
  const text = "ESR_EL1 was given with 32 bits: ISS2, and with it Overlay and DirtyBit, is not known";
  return { fields: ["Overlay", "DirtyBit"], text };
}

/** Lowest bit of a tag, and the bit that selects the half of a tagged address. */
const TAG_SHIFT = 56n;
const HALF_BIT = 55n;
/** Status of an address that is not canonical (Arm ARM, AArch64.S1Translate): a translation fault of level 0. */
const OUT_OF_RANGE = 4;

/**
 * Linux turns TBI0 on, and TBI1 with KASAN tags, which are 0xf0 to 0xff, or with CONFIG_ARM64_MTE: FAR_EL1 then has the tag
 * (Arm ARM, AArch64.BranchAddr and AddrTop; arch_kasan_reset_tag).
 */
function untag(
  { addressHigh, addressLow, syndromeLow }: FaultReport,
  { values, given }: GivenInputs,
): { readonly address: VirtAddr; readonly rule: Rule } | undefined {
  const address = fromWords(addressHigh, addressLow);
  const isUpper = ((address >> HALF_BIT) & 1n) === 1n;
  const tag = address >> TAG_SHIFT;
  const without = BigInt.asUintN(64, BigInt.asIntN(Number(TAG_SHIFT), address));
  // An address that is not canonical faults at level 0: another level shows that the tag was ignored.
  const isWalked = statusOf(syndromeLow) !== OUT_OF_RANGE;
  const isOn =
    given["tcr"] === undefined
      ? !isUpper || tag >= 0xf0n || isWalked
      : (values["tcr"]! & (isUpper ? TCR_TBI1 : TCR_TBI0)) !== 0n;
  if (without === address || !isOn) return undefined;
  const text = `the address has the tag ${hex(tag)}, which translation ignores: ${hex(without)}`;
  return { address: toVirtAddr(without), rule: { text, source: `Arm ARM, TCR_EL1.TBI${isUpper ? 1 : 0}` } };
}

function notTables({ syndromeLow }: FaultReport): NotTables | undefined {
  const status = statusOf(syndromeLow);
  if (isTranslationResult(status)) return undefined;
  return { name: faultInfo(status).name, rules: [statusMeaning(status)] };
}

/** Kinds of faults by the status without its level. */
const KINDS = [FaultKind.ADDRESS_SIZE, FaultKind.TRANSLATION, FaultKind.ACCESS_FLAG, FaultKind.PERMISSION] as const;

function kindOf({ syndromeHigh, syndromeLow }: FaultReport): FaultKind {
  if ((syndromeHigh & ESR_OVERLAY) !== 0) return FaultKind.PKEY;
  const status = statusOf(syndromeLow);
  return LEVEL_MINUS_ONE.has(status) ? KINDS[(status >> 1) & 1]! : KINDS[status >> 2]!;
}

function decidedBy(report: FaultReport): SyndromeVerdict {
  const kind = kindOf(report);
  const { name } = faultInfo(statusOf(report.syndromeLow));
  return {
    kind,
    name: kind === FaultKind.PKEY ? `${name}, Overlay 1` : name,
    rule: { text: "the status names the check that failed", source: STATUS_SOURCE },
  };
}

/** The inputs of FEAT_S1PIE and FEAT_S1POE. */
const INDIRECT_INPUTS = ["por", "por-el0", "pir", "pire0", "tcr2"];

/**
 * Other configurations that may explain the fault. An address size fault needs narrower addresses, an access flag fault a machine
 * whose software sets AF. Most machines have no indirect permissions, and many have no hardware dirty state.
 */
function otherMachines({ values, given }: GivenInputs, report: FaultReport): readonly OtherMachine[] {
  const tcr = values["tcr"]!;
  const isOpen = given["tcr"] === undefined;
  const manual: OtherMachine[] = isOpen ? [{ tcr: tcr & ~TCR_HD }] : [];
  const isDirect = INDIRECT_INPUTS.every((name) => given[name] === undefined);
  switch (kindOf(report)) {
    case FaultKind.ADDRESS_SIZE:
      return isOpen ? NARROWER.map((ips) => ({ tcr: (tcr & ~TCR_IPS) | (ips << TCR_IPS_SHIFT) })) : [];
    case FaultKind.ACCESS_FLAG:
      return isOpen ? [{ tcr: tcr & ~(TCR_HA | TCR_HD) }] : [];
    case FaultKind.PERMISSION:
      return [undefined, ...manual].flatMap((machine) => [
        ...(machine === undefined ? [] : [machine]),
        ...(isDirect ? [{ ...machine, tcr2: 0n }] : []),
      ]);
    default:
      return [];
  }
}

/** A base address in TTBR0_EL1 or TTBR1_EL1 that is too wide is also reported as level 0. */
function beyondEntries({ syndromeLow }: FaultReport): NotTables | undefined {
  const status = statusOf(syndromeLow);
  if (status !== 0) return undefined;
  const text = "no entry has an address that is too wide, so the base address in TTBR0_EL1 or TTBR1_EL1 is too wide";
  return { name: faultInfo(status).name, rules: [{ text, source: "Arm ARM, R_BFHQH" }] };
}

/** Width of output addresses of an unknown CPU: the most that a descriptor holds. */
const WIDEST = 52;

/** The rules by which an arm64 fault is explained. */
export const ARM64_EXPLAIN: ExplainRules = {
  format: ARM64_FORMAT,
  pkeyRegister: POR_EL1,
  openKeys: { userRegister: "POR_EL0", value: { high: 0x77777777, low: 0x77777777 } },
  inputs: INPUTS,
  oops: ARM64_OOPS,
  openTable: BigInt(Bit.VALID | Bit.TABLE | Bit.AF),
  privileges: {
    [Privilege.USER]: "EL0",
    [Privilege.KERNEL]: "EL1",
    [Privilege.UACCESS]: "EL1's LDTR and STTR",
  },
  uncompared: ["ESR_EL1"],
  unknown,
  untag,
  notTables,
  beyondEntries,
  describeSignal,
  geometries: ARM64_GEOMETRIES,
  formatOf: (geometry: Geometry) => createFormat(arm64GeometryOf(geometry)),
  geometryOf,
  createSystemRegisters: (geometry) => createSystemRegisters(true, tcrOf(arm64GeometryOf(geometry), WIDEST)),
  createCpu(memory, physicalAddressBits, geometry) {
    const systemRegisters = createSystemRegisters(true);
    return createCpu({
      id: 0,
      regime: new Arm64Regime(systemRegisters.controls, physicalAddressBits, arm64GeometryOf(geometry)),
      memory,
      systemRegisters,
    });
  },
  physicalAddressBits: ({ tcr }, geometry) => addressBitsOf(tcr!, geometry),
  otherMachines,
  decidedBy,
  reportedAccess,
  syndromeDetails,
  ...ARM64_RULES,
};
