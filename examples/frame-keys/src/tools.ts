import { FaultKind, Privilege, toPkey } from "@kpkeys/core/contracts";
import type { Access, ArchTools, ExplainInputRule, ExplainRules, Rule } from "@kpkeys/core/contracts";
import { createCpu, wordsToHex } from "@kpkeys/core/machine";
import { Bit, FORMAT } from "./format.js";
import { createRegime } from "./regime.js";
import { SKR, systemRegisters } from "./registers.js";

// CODE, the syndrome.
//
//   13 12      10 8    5 4    3 0
//   privilege  access  level  kind

const KINDS = new Map(Object.entries(FaultKind).map(([name, kind]) => [kind, name.toLowerCase().replace("_", " ")]));

const rule = (text: string): Rule => ({ text, source: "the manual of an architecture that does not exist" });
const { source } = rule("");

function input(label: string, role: ExplainInputRule["role"], bits: number): ExplainInputRule {
  return { name: label.toLowerCase(), label, description: label, role, bits, whose: "as the kernel sets it" };
}

const EXPLAIN: ExplainRules = {
  format: FORMAT,
  pkeyRegister: SKR,
  // With key 0 and all rights on it, keys deny nothing.
  openKeys: { userRegister: "KEY", value: { high: 0, low: 0 } },
  // No entry has the key, so it is an input.
  inputs: [
    input("CODE", "syndrome", 32),
    input("ADDRESS", "address", 64),
    input(SKR.name, "keys", 64),
    input("KEY", "register", 8),
  ],
  privileges: {
    [Privilege.USER]: "the user",
    [Privilege.KERNEL]: "the kernel",
    [Privilege.UACCESS]: "the kernel for the user",
  },
  uncompared: [],
  openTable: BigInt(Bit.TABLE | Bit.VALID),
  createSystemRegisters: () => systemRegisters({ KEY: 0n }),
  createCpu(memory) {
    const registers = systemRegisters({ KEY: 0n });
    const regime = createRegime({ get: () => toPkey(Number(registers.read("KEY"))) });
    return createCpu({ id: 0, regime, memory, systemRegisters: registers });
  },
  physicalAddressBits: () => 48,
  reportedAccess: (code, { key }) => ({
    kind: (code & 15) as FaultKind,
    level: (code >>> 4) & 3,
    access: ((code >>> 8) & 7) as Access,
    privilege: ((code >>> 12) & 3) as Privilege,
    pkey: Number(key),
  }),
  syndromeDetails: ({ kind }) => [KINDS.get(kind)!],
  root: () => rule("one root translates all addresses"),
  entry: ({ type, low }) => rule(`${type}, bits 8 to 0 are ${low & 0x1ff}`),
  baseRights: (_setup, { low }) => [rule(`bits 4 to 2 grant rights: ${(low >>> 2) & 7}`)],
  keyUse({ pkeyRegister, registers }, { low }) {
    if ((low & Bit.USER) !== 0) return { unasked: "the keys of user pages have no effect", source };
    const key = Number(registers["KEY"]);
    return { key, field: "storage key", register: SKR.name, value: pkeyRegister, ofKernel: true, source };
  },
  decision: (kind) => rule(KINDS.get(kind)!),
  whatIfs: () => [],
};

/** The architecture's part of tools. */
export const TOOLS: ArchTools = {
  describeFault: ({ kind, addressHigh, addressLow, level }) =>
    `fault at ${wordsToHex(addressHigh, addressLow)}: ${KINDS.get(kind)!}, level ${level}`,
  faultRegisters: (fault) => [
    { name: "CODE", text: wordsToHex(fault.syndromeHigh, fault.syndromeLow) },
    { name: "ADDRESS", text: wordsToHex(fault.addressHigh, fault.addressLow) },
    { name: SKR.name, text: wordsToHex(fault.pkeyRegisterHigh, fault.pkeyRegisterLow) },
    { name: "KEY", text: wordsToHex(0, fault.pkey) },
  ],
  ptdumpColumns: (_level, _high, low) => [
    (low & Bit.WRITE) !== 0 ? "RW" : "ro",
    (low & Bit.FETCH) !== 0 ? "x " : "NX",
    (low & Bit.USER) !== 0 ? "USR" : "   ",
  ],
  explanation: EXPLAIN,
};
