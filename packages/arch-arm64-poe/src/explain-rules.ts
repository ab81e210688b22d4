import { Access, EntryType, FaultKind, Privilege, toLevel } from "@kpkeys/core/contracts";
import type { AccessSetup, ExplainRules, KeyUse, Rule, WalkStep, WhatIf } from "@kpkeys/core/contracts";
import { fromWords, hex, toWords } from "@kpkeys/core/machine";
import { arm64GeometryOf } from "./explain-geometry.js";
import { Bit, HighBit, MEMORY_TYPES } from "./entry-bits.js";
import { ARM64_FORMAT, ENTRY_KEYS } from "./format.js";
import { POR_EL1, PSTATE_PAN, SCTLR_EPAN, SCTLR_WXN, TCR2_E0POE, TCR2_PIE, TCR2_POE } from "./registers.js";
import { TCR_HA, TCR_HD, TCR_HPD0, TCR_HPD1 } from "./tcr.js";

function root({ address }: AccessSetup): Rule {
  const upper = address >> 63n === 1n;
  return {
    text: `TTBR${upper ? 1 : 0}_EL1 translates the ${upper ? "upper" : "lower"} half`,
    source: "Arm ARM, Selection between TTBR0_ELx and TTBR1_ELx",
  };
}

/** Whether permissions are indirect. */
function isIndirect({ registers }: AccessSetup): boolean {
  return (registers["TCR2_EL1"]! & TCR2_PIE) !== 0n;
}

/** The reason why the rights in table descriptors are ignored, if they are. */
function tablesIgnored(setup: AccessSetup): Rule | undefined {
  const { registers, address } = setup;
  if (isIndirect(setup)) return { text: "PIE", source: "Arm ARM, R_JHSVW" };
  if ((registers["TCR2_EL1"]! & (TCR2_POE | TCR2_E0POE)) !== 0n) return { text: "POE", source: "Arm ARM, R_BVXDG" };
  const hpd = address >> 63n === 1n ? TCR_HPD1 : TCR_HPD0;
  return (registers["TCR_EL1"]! & hpd) === 0n ? undefined : { text: "HPD", source: "Arm ARM, TCR_EL1" };
}

const FORMATS = "Arm ARM, VMSAv8-64 descriptor formats";

/** The value of each named bit of an entry. */
function bitsOf(entry: bigint, bits: readonly (readonly [name: string, bit: number])[]): string {
  return bits.map(([name, bit]) => `${name} ${(entry >> BigInt(bit)) & 1n}`).join(", ");
}

function entry({ level, high, low }: WalkStep, setup: AccessSetup): Rule {
  const { format } = setup;
  const { pageShift, levels } = format.geometry;
  const value = fromWords(high, low);
  const address = hex(BigInt(format.pfnOf(high, low)) << BigInt(pageShift));
  const type = format.typeOf(toLevel(level), high, low);
  if (type === EntryType.INVALID) {
    return (low & Bit.VALID) === 0
      ? { text: "not valid: bit 0 is 0", source: INVALID }
      : { text: "not valid: bit 1 is 0, which is reserved at this level", source: "Arm ARM, R_KRMJZ" };
  }
  if (type === EntryType.TABLE) {
    const rights = `APTable 0b${bits(value, 61, 2)}, ${bitsOf(value, [
      ["UXNTable", 60],
      ["PXNTable", 59],
    ])}`;
    const ignored = tablesIgnored(setup);
    const counting = ignored === undefined ? "" : ` (ignored: ${ignored.text})`;
    return {
      text: `table at ${address}, AF ${bits(value, 10, 1)}, ${rights}${counting}`,
      source: ignored?.source ?? FORMATS,
    };
  }
  const kind = level === levels.length - 1 ? "page" : "block";
  const shareability = arm64GeometryOf(format.geometry).lpa2 ? "" : `, SH ${(low >>> 8) & 3}`;
  const attributes = `AttrIndx ${memoryType(low)}, AP[2:1] 0b${bits(value, 6, 2)}${shareability}`;
  const flags = bitsOf(value, [
    ["AF", 10],
    ["nG", 11],
    ["DBM", 51],
    ["PXN", 53],
    ["UXN", 54],
  ]);
  const indices = `POIndex ${ENTRY_KEYS.pkeyOf(high, low)}, PIIndex ${hex(piIndexOf(high, low))}`;
  const software = `software DIRTY(55) ${bits(value, 55, 1)}`;
  return { text: `${kind} at ${address}, ${attributes}, ${flags}, ${software}, ${indices}`, source: FORMATS };
}

function memoryType(low: number): string {
  const index = (low >>> 2) & 7;
  return `${index} (${MEMORY_TYPES[index] ?? "unused by Linux"})`;
}

/** A field in binary. */
function bits(value: bigint, lowest: number, width: number): string {
  return BigInt.asUintN(width, value >> BigInt(lowest))
    .toString(2)
    .padStart(width, "0");
}

/** PIIndex: UXN, PXN, DBM and AP[1], from the highest bit down. */
function piIndexOf(high: number, low: number): number {
  const { UXN, PXN, DBM } = HighBit;
  const flags = [(high & UXN) !== 0, (high & PXN) !== 0, (high & DBM) !== 0, (low & Bit.USER) !== 0];
  return flags.reduce((index, flag) => index * 2 + (flag ? 1 : 0), 0);
}

/** Linux's names of page types by PIIndex. PAGE_NONE has the PIIndex of a kernel page, whose name is shown. */
const PAGE_TYPES = new Map(
  Object.entries(ARM64_FORMAT.protections)
    .reverse()
    .map(([name, { high, low }]) => [piIndexOf(high, low), name]),
);

/** Base permissions by their value in PIR_EL1 and PIRE0_EL1, as Linux names them (asm/sysreg.h). */
const PERMISSIONS = [
  ...["NONE_O", "R_O", "X_O", "RX_O", "reserved", "RW_O", "RWnX_O", "RWX_O"],
  ...["R", "GCS", "RX", "reserved", "RW", "reserved", "RWX", "reserved"],
] as const;

/** LDTR and STTR have the rights of EL0. There is no such fetch. */
function isUnprivileged({ privilege, access }: AccessSetup): boolean {
  return privilege === Privilege.USER || (privilege === Privilege.UACCESS && access !== Access.FETCH);
}

/** The base permission of a leaf in a register. */
function indirectOf(setup: AccessSetup, name: string, { high, low }: WalkStep): number {
  return Number((setup.registers[name]! >> BigInt(piIndexOf(high, low) * 4)) & 15n);
}

function baseRights(setup: AccessSetup, leaf: WalkStep): Rule[] {
  const { registers } = setup;
  const pan = (registers["PSTATE"]! & PSTATE_PAN) === 0n ? 0 : 1;
  if (!isIndirect(setup)) {
    const epan = (registers["SCTLR_EL1"]! & SCTLR_EPAN) === 0n ? 0 : 1;
    const wxn = (registers["SCTLR_EL1"]! & SCTLR_WXN) === 0n ? 0 : 1;
    const text = `direct permissions: AP, PXN, UXN; PSTATE.PAN ${pan}, SCTLR_EL1.EPAN ${epan}, WXN ${wxn}`;
    return [{ text, source: DIRECT }];
  }
  const index = piIndexOf(leaf.high, leaf.low);
  const type = PAGE_TYPES.get(index);
  const shown = `PIIndex ${hex(index)}${type === undefined ? "" : ` (${type})`}`;
  const given = ["PIR_EL1", "PIRE0_EL1"].map((name) => {
    const value = indirectOf(setup, name, leaf);
    return `${hex(value)} ${PERMISSIONS[value]!} in ${name} ${hex(registers[name]!)}`;
  });
  const which = isUnprivileged(setup) ? "PIRE0_EL1 applies to EL0" : `PIR_EL1 applies to EL1; PSTATE.PAN ${pan}`;
  return [{ text: `${shown} is ${given.join(" and ")}: ${which}`, source: INDIRECT }];
}

const INVALID = "Arm ARM, R_DYNYQ";
const DIRECT = "Arm ARM, AArch64.S1DirectBasePermissions";
const INDIRECT = "Arm ARM, AArch64.S1IndirectBasePermissions";
const OVERLAY = "Arm ARM, AArch64.S1OverlayPermissions";

function keyUse(setup: AccessSetup, leaf: WalkStep): KeyUse {
  const unprivileged = isUnprivileged(setup);
  const enable = unprivileged ? TCR2_E0POE : TCR2_POE;
  if ((setup.registers["TCR2_EL1"]! & enable) === 0n) {
    return { unasked: `TCR2_EL1.${unprivileged ? "E0POE" : "POE"} is 0: no overlay`, source: OVERLAY };
  }
  const name = unprivileged ? "PIRE0_EL1" : "PIR_EL1";
  const permission = indirectOf(setup, name, leaf);
  if (isIndirect(setup) && permission > 7) {
    const text = `${name} gives ${PERMISSIONS[permission]!}, which has no overlay: the key is not checked`;
    return { unasked: text, source: INDIRECT };
  }
  return {
    key: ENTRY_KEYS.pkeyOf(leaf.high, leaf.low),
    field: "POIndex",
    register: unprivileged ? "POR_EL0" : POR_EL1.name,
    value: unprivileged ? setup.registers["POR_EL0"]! : setup.pkeyRegister,
    ofKernel: !ARM64_FORMAT.isUser(leaf.high, leaf.low),
    source: OVERLAY,
  };
}

function decision(kind: FaultKind, setup: AccessSetup): Rule {
  const base = isIndirect(setup) ? INDIRECT : DIRECT;
  switch (kind) {
    case FaultKind.NONE:
      return { text: "base permissions and overlay both allow it", source: "Arm ARM, AArch64.S1ComputePermissions" };
    case FaultKind.PKEY:
      return {
        text: "an overlay only removes rights; an access that needs one of them faults with Overlay 1",
        source: OVERLAY,
      };
    case FaultKind.PERMISSION:
      return {
        text: "the base permissions lack the right; the overlay has it or does not apply: Overlay 0",
        source: base,
      };
    case FaultKind.ACCESS_FLAG:
      return { text: "AF is 0, and with TCR_EL1.HA 0 software has to set it", source: "Arm ARM, R_SWTYY" };
    case FaultKind.ADDRESS_SIZE:
      return { text: "an output address is wider than the machine's", source: "Arm ARM, R_CVSBH" };
    default:
      return { text: "an invalid entry ends the walk", source: INVALID };
  }
}

/** A changed bit of the entries, at the levels where it has the other value. */
function whatIfEntries(
  { entries, format }: AccessSetup,
  name: string,
  bit: bigint,
  on: 0 | 1,
  tables: boolean,
): WhatIf {
  const leaf = entries.length - 1;
  const where = entries.flatMap((value, level) =>
    level < leaf === tables && ((value & bit) !== 0n) !== (on === 1) ? [level] : [],
  );
  const names = where.map((level) => format.geometry.levels[level]!.name).join(", ");
  return { text: `${name} were ${on} in ${names}`, where, clear: bit, set: on === 1 ? bit : 0n };
}

function whatIfRegister(where: string, field: string, clear: bigint, set: bigint): WhatIf {
  return { text: `${where}.${field} were ${set === 0n ? 0 : 1}`, where, clear, set };
}

const LEAF_RIGHTS = [
  ["AP[2]", 7n, 0],
  ["AP[1]", 6n, 1],
  ["AP[1]", 6n, 0],
  ["PXN", 53n, 0],
  ["UXN", 54n, 0],
] as const;
const TABLE_RIGHTS = [
  ["APTable[1]", 62n],
  ["APTable[0]", 61n],
  ["UXNTable", 60n],
  ["PXNTable", 59n],
] as const;

function whatIfs(kind: FaultKind, setup: AccessSetup): WhatIf[] {
  if (kind === FaultKind.ACCESS_FLAG) {
    return [whatIfEntries(setup, "AF", BigInt(Bit.AF), 1, false), whatIfRegister("TCR_EL1", "HA", 0n, TCR_HA)];
  }
  if (kind !== FaultKind.PERMISSION) return [];
  const common = [
    whatIfRegister("PSTATE", "PAN", PSTATE_PAN, 0n),
    whatIfRegister("TCR_EL1", "HD", 0n, TCR_HA | TCR_HD),
  ];
  if (isIndirect(setup)) {
    return [
      whatIfEntries(setup, "nDirty (bit 7)", BigInt(Bit.RDONLY), 0, false),
      ...["PIR_EL1", "PIRE0_EL1"].map((name) => whatIfPermission(setup, name)),
      ...common,
    ];
  }
  return [
    ...LEAF_RIGHTS.map(([name, bit, on]) => whatIfEntries(setup, name, 1n << bit, on, false)),
    ...TABLE_RIGHTS.map(([name, bit]) => whatIfEntries(setup, name, 1n << bit, 0, true)),
    whatIfRegister("SCTLR_EL1", "EPAN", SCTLR_EPAN, 0n),
    whatIfRegister("SCTLR_EL1", "WXN", SCTLR_WXN, 0n),
    ...common,
  ];
}

/** A changed base permission: all rights in the register that applies, none in the other. */
function whatIfPermission(setup: AccessSetup, where: string): WhatIf {
  const { high, low } = toWords(setup.entries.at(-1)!);
  const index = piIndexOf(high, low);
  const value = isUnprivileged(setup) === (where === "PIRE0_EL1") ? 7n : 0n;
  const shift = BigInt(index * 4);
  const text = `${where} gave PIIndex ${hex(index)} ${PERMISSIONS[Number(value)]!}`;
  return { text, where, clear: 15n << shift, set: value << shift };
}

/** The texts of the rules of stage 1 translation. The CPU of the model decides the access. */
export const ARM64_RULES: Pick<ExplainRules, "root" | "entry" | "baseRights" | "keyUse" | "decision" | "whatIfs"> = {
  root,
  entry,
  baseRights,
  keyUse,
  decision,
  whatIfs,
};
