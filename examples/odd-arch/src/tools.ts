import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import type { ArchTools, ExplainInputRule, ExplainRules, FaultReport, NamedField } from "@kpkeys/core/contracts";
import { createCpu, fromWords, wordsToHex } from "@kpkeys/core/machine";
import { Bit, HighBit, INDEX_BITS, keyOf, FORMAT } from "./format.js";
import { createRegime } from "./regime.js";
import { AMR, createSystemRegisters } from "./registers.js";

// KSR, the syndrome.
//
//   13 12      10 8    5 4    3 0
//   privilege  access  level  kind

const MANUAL = "the manual of an architecture that does not exist";

const IAMR = AMR.fetchName!;

const KINDS: Readonly<Record<FaultKind, string>> = {
  [FaultKind.NONE]: "no fault",
  [FaultKind.TRANSLATION]: "no entry",
  [FaultKind.ADDRESS_SIZE]: "impossible address",
  [FaultKind.ACCESS_FLAG]: "not accessed",
  [FaultKind.PERMISSION]: "rights",
  [FaultKind.PKEY]: "key",
  [FaultKind.RESERVED]: "reserved bit",
};

function describeFault({ kind, addressHigh, addressLow, level }: FaultReport): string {
  return `fault at ${wordsToHex(addressHigh, addressLow)}: ${KINDS[kind]}, level ${level}`;
}

function faultRegisters(fault: FaultReport): readonly NamedField[] {
  return [
    { name: "KSR", text: wordsToHex(fault.syndromeHigh, fault.syndromeLow) },
    { name: "KAR", text: wordsToHex(fault.addressHigh, fault.addressLow) },
    {
      name: fault.access === Access.FETCH ? IAMR : AMR.name,
      text: wordsToHex(fault.pkeyRegisterHigh, fault.pkeyRegisterLow),
    },
  ];
}

function input(name: string, label: string, role: ExplainInputRule["role"], bits: number): ExplainInputRule {
  return { name, label, description: label, role, bits, whose: "as the kernel sets it" };
}

const rule = (text: string): { text: string; source: string } => ({ text, source: MANUAL });

const EXPLAIN: ExplainRules = {
  format: FORMAT,
  pkeyRegister: AMR,
  openKeys: { userRegister: "CTRL", value: { high: 0, low: 0, fetch: { high: 0, low: 0 } } },
  inputs: [
    input("ksr", "KSR", "syndrome", 32),
    input("kar", "KAR", "address", 64),
    input("amr", AMR.name, "keys", 64),
    input("iamr", IAMR, "fetch-keys", 64),
    input("ctrl", "CTRL", "register", 32),
  ],
  privileges: {
    [Privilege.USER]: "the user",
    [Privilege.KERNEL]: "the kernel",
    [Privilege.UACCESS]: "the kernel for the user",
  },
  uncompared: [],
  openTable: fromWords(HighBit.VALID, INDEX_BITS),
  createSystemRegisters: () => createSystemRegisters(true),
  createCpu(memory) {
    const systemRegisters = createSystemRegisters(true);
    return createCpu({ id: 0, regime: createRegime(systemRegisters.controls), memory, systemRegisters });
  },
  physicalAddressBits: () => 44,
  reportedAccess: (syndromeLow) => ({
    kind: (syndromeLow & 15) as FaultKind,
    level: (syndromeLow >>> 4) & 3,
    access: ((syndromeLow >>> 8) & 7) as Access,
    privilege: ((syndromeLow >>> 12) & 3) as Privilege,
  }),
  syndromeDetails: ({ kind }) => [KINDS[kind]],
  root: () => rule("one root translates all addresses"),
  entry: ({ high, type }) =>
    rule(type === "leaf" ? `leaf, key ${keyOf(high)}` : `${type}, bits 63 and 62 are ${high >>> 30}`),
  baseRights: (_setup, { low }) => [rule(`bits 3 to 0 grant rights: ${low & 15}`)],
  keyUse({ access, pkeyRegister, fetchRegister }, { high, low }) {
    if ((low & Bit.PRIVILEGED) === 0) return { unasked: "a user page has no key", source: MANUAL };
    const [register, value] = access === Access.FETCH ? [IAMR, fetchRegister!] : [AMR.name, pkeyRegister];
    return { key: keyOf(high), field: "key", register, value, ofKernel: true, source: MANUAL };
  },
  decision: (kind) => rule(KINDS[kind]),
  whatIfs: () => [],
};

/** The architecture's part of tools. */
export const TOOLS: ArchTools = {
  describeFault,
  faultRegisters,
  ptdumpColumns: (_level, high, low) => [
    (low & Bit.WRITE) !== 0 ? "RW" : "ro",
    (low & Bit.EXEC) !== 0 ? "x " : "NX",
    (low & Bit.PRIVILEGED) === 0 ? "USR" : "   ",
    `key${keyOf(high)}`,
  ],
  explanation: EXPLAIN,
};
