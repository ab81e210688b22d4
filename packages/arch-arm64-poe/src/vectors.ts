import { Privilege } from "@kpkeys/core/contracts";
import type { Cpu, FieldCheck, Vector, VectorForm, VectorRules, VectorValue } from "@kpkeys/core/contracts";
import { wordsToHex } from "@kpkeys/core/machine";
import { ESR_DIRTY_BIT, ESR_OVERLAY, ESR_WNR, exceptionClassOf, statusOf } from "./fault.js";
import { PSTATE_PAN, SCTLR_EPAN, TCR2_E0POE, TCR2_PIE, TCR2_POE } from "./registers.js";
import { TCR_HA, TCR_HD, TCR_HPD0, TCR_HPD1 } from "./tcr.js";

/** The root that translates: bit 55 of the address selects it, and the bits above repeat bit 55. */
const TTBR: FieldCheck = {
  expected: "0 for an address of the lower half, 1 for one of the upper",
  accepts: (value, { va }) => value === (/^0xf{4}[0-9a-f]{12}$/i.test(String(va)) ? 1 : 0),
};

/** Stage 1 of EL1&0, recorded from Arm's pseudocode. */
const ARCHITECTURAL: VectorForm = {
  arch: "arm64-poe",
  accesses: ["read", "write", "fetch"],
  given: {
    ttbr: TTBR,
    pie: "flag",
    poe: "flag",
    e0poe: "flag",
    pan: "flag",
    epan: "flag",
    ha: "flag",
    hd: "flag",
    hpd: "flag",
    el: "flag",
    unpriv: "flag",
  },
  optional: { pir_el1: "bits64", pire0_el1: "bits64", por_el1: "bits64", por_el0: "bits64" },
  neededBy: { pie: ["pir_el1", "pire0_el1"], poe: ["por_el1"], e0poe: ["por_el0"] },
  judged: { upper_after: "entries", pte_after: "bits64" },
  fault: { esr: "bits64", far: "bits64", ec: "bits64", fsc: "bits64", wnr: "flag", overlay: "flag", dirtybit: "flag" },
};

/** The registers after a fault; `null` without a fault. */
function report(_vector: Vector, { fault }: Cpu, ok: boolean): Record<string, VectorValue> {
  const { syndromeHigh: high, syndromeLow: low } = fault;
  return {
    esr: ok ? null : wordsToHex(high, low),
    far: ok ? null : wordsToHex(fault.addressHigh, fault.addressLow),
    ec: ok ? null : wordsToHex(0, exceptionClassOf(low)),
    fsc: ok ? null : wordsToHex(0, statusOf(low)),
    wnr: ok ? null : (low & ESR_WNR) === 0 ? 0 : 1,
    overlay: ok ? null : (high & ESR_OVERLAY) === 0 ? 0 : 1,
    dirtybit: ok ? null : (high & ESR_DIRTY_BIT) === 0 ? 0 : 1,
  };
}

/** The setup and the report of arm64 vectors. SCTLR_EL1.WXN is 0 in all of them. */
export const ARM64_VECTORS: VectorRules = {
  forms: [ARCHITECTURAL],
  flags: {
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
    SCTLR_EL1: [["epan", SCTLR_EPAN]],
    PSTATE: [["pan", PSTATE_PAN]],
  },
  registers: { PIR_EL1: "pir_el1", PIRE0_EL1: "pire0_el1" },
  keys: { kernel: "por_el1", user: "por_el0" },
  privilegeOf({ el, unpriv }) {
    if (el === 0) return Privilege.USER;
    return unpriv === 1 ? Privilege.UACCESS : Privilege.KERNEL;
  },
  report,
};
