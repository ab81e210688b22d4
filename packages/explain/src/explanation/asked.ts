import { toVirtAddr } from "@kpkeys/core/contracts";
import type { AccessSetup, ArchTools, ExplainRules, OtherMachine } from "@kpkeys/core/contracts";
import { fromWords, hex } from "@kpkeys/core/machine";
import type { Attempt } from "./access.js";
import { completeEntries } from "./entries.js";
import type { Reason } from "./explanation.js";
import type { FittingGeometry } from "./geometry.js";
import { assumption, inputText } from "./inputs.js";
import { inputOf } from "./report.js";
import type { ReadReport } from "./report.js";

/** The access of a question, and how to compare its result with the report. */
export interface Asked {
  /** The access. */
  readonly setup: AccessSetup;
  /** The assumptions. */
  readonly assumed: readonly Reason[];
  /** Inputs by name that a changed question needs so that it is read in the same way. */
  readonly pins: Readonly<Record<string, string>>;
  /**
   * Compares the model's result with the report.
   * @param attempt - the model's result
   * @returns the differences in words; empty if they agree
   */
  differences(attempt: Attempt): readonly string[];
}

/**
 * Reads a fault report with tables of one geometry.
 *
 * @param read - the report
 * @param fitting - the geometry, and the entries by level
 * @param machine - values of inputs that were not given, instead of the defaults
 * @param unreadable - whether the table below the last entry could not be read
 * @param tools - the architecture's tools
 * @throws KpkeysError ERR_EXPLAIN_INPUT
 */
export function askedByReport(
  read: ReadReport,
  { format, entries: given }: FittingGeometry,
  machine: OtherMachine | undefined,
  unreadable: boolean,
  tools: ArchTools,
): Asked {
  const rules = tools.explanation;
  const { inputs, report, address } = read;
  const values: Readonly<Record<string, bigint>> = { ...inputs.values, ...machine };
  const { entries, assumed } = completeEntries(given, format, rules.openTable, unreadable);
  const registers = rules.inputs.filter(({ role }) => role === "register");
  const fetchInput = rules.inputs.find(({ role }) => role === "fetch-keys");
  const uncompared = [...rules.uncompared, ...(rules.unknown?.(inputs.given)?.fields ?? [])];
  const comparable = rules.comparable?.(report) ?? report;

  return {
    setup: {
      format,
      entries,
      address: toVirtAddr(address),
      access: report.access,
      privilege: report.privilege,
      registers: Object.fromEntries(registers.map(({ name, label }) => [label, values[name]!])),
      pkeyRegister: values[inputOf("keys", rules)]!,
      ...(fetchInput !== undefined && { fetchRegister: values[fetchInput.name]! }),
      physicalAddressBits: rules.physicalAddressBits(values, format.geometry),
    },
    assumed: [
      ...rules.inputs.flatMap((input) => {
        const standard = inputs.assumed.get(input.name);
        const other = machine?.[input.name];
        if (standard === undefined || other === undefined) return standard ?? [];
        return assumption(input, other, "with which the report agrees");
      }),
      ...assumed,
    ],
    pins: pinsOf(read, values, rules),
    differences({ ok, fault }) {
      if (ok) return ["it reports a fault, the model allows the access"];
      // The model's address has no tag. The kind of the model's fault is not part of a report.
      const { addressHigh, addressLow } = comparable;
      const computed = new Map(
        tools.faultRegisters({ ...fault, addressHigh, addressLow }).map(({ name, text }) => [name, text]),
      );
      return tools
        .faultRegisters({ ...comparable, kind: fault.kind })
        .filter(({ name, text }) => !uncompared.includes(name) && computed.get(name) !== text)
        .map(({ name, text }) => `${name}: reported ${text}, computed ${computed.get(name) ?? "none"}`);
    },
  };
}

/** The address without its tag, and the values of inputs that have several candidates. */
function pinsOf(
  { inputs, report, address }: ReadReport,
  values: Readonly<Record<string, bigint>>,
  rules: ExplainRules,
): Record<string, string> {
  const machines = rules.otherMachines?.(inputs, report) ?? [];
  const chosen = rules.inputs.filter(({ name }) => machines.some((machine) => machine[name] !== undefined));
  const pins = Object.fromEntries(chosen.map((input) => [input.name, inputText(input, values[input.name]!)]));
  const isTagged = address !== fromWords(report.addressHigh, report.addressLow);
  return isTagged ? { ...pins, [inputOf("address", rules)]: hex(address) } : pins;
}
