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

/** A question, understood. */
export interface Asked {
  /** The access that it is about. */
  readonly setup: AccessSetup;
  /** What was assumed. */
  readonly assumed: readonly Reason[];
  /** Inputs by their names that the same question needs with a change made, to be understood alike. */
  readonly pins: Readonly<Record<string, string>>;
  /**
   * Holds the model's answer against the report's.
   * @param attempt - the model's
   * @returns what differs, in words; nothing if they agree
   */
  differences(attempt: Attempt): readonly string[];
}

/**
 * Understands a fault report in tables of some shape.
 *
 * @param read - the report
 * @param fitting - the shape, and the entries by level
 * @param machine - what is assumed of inputs that were not given, instead of what is usual
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
      physicalAddressBits: rules.physicalAddressBits(values, format.geometry),
    },
    assumed: [
      ...rules.inputs.flatMap((input) => {
        const usual = inputs.assumed.get(input.name);
        const other = machine?.[input.name];
        if (usual === undefined || other === undefined) return usual ?? [];
        return assumption(input, other, "with which the report agrees");
      }),
      ...assumed,
    ],
    pins: pinsOf(read, values, rules),
    differences({ ok, fault }) {
      if (ok) return ["it is of a fault, and the model lets the access through"];
      // The model's address has no tag. What the kind of a fault does to the registers is no part of a report.
      const { addressHigh, addressLow } = comparable;
      const computed = new Map(
        tools.faultRegisters({ ...fault, addressHigh, addressLow }).map(({ name, text }) => [name, text]),
      );
      return tools
        .faultRegisters({ ...comparable, kind: fault.kind })
        .filter(({ name, text }) => !uncompared.includes(name) && computed.get(name) !== text)
        .map(({ name, text }) => `${name}: it says ${text}, the model computes ${computed.get(name) ?? "none"}`);
    },
  };
}

/** The address without its tag, and what the machine was assumed to be where there was a choice. */
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
