import { hex } from "@kpkeys/core";
import { shellOf } from "../recording/shell.js";
import { seriesTitle } from "@kpkeys/scenarios";
import type { Demonstration, ShownStore } from "../show/demonstration.js";
import type { Moment, RightsChange } from "../show/moments.js";
import type { Style } from "./style.js";

/** The document of `kpkeys show --json`. */
export interface ShowReport {
  /** Two machines for each architecture and version of the series: with the hardening, then without. */
  readonly machines: readonly Demonstration[];
}

/** Width of the labels, in characters. */
const MARGIN = 12;
/** The number of registers of a fault that are printed: syndrome, address, key register. The JSON document has all. */
const REGISTERS = 3;

/**
 * The demonstration as text.
 * @param report - the machines
 * @param style - the colours
 * @returns lines, the last with its line break
 */
export function showTextOf({ machines }: ShowReport, style: Style): string {
  return machines.map((machine) => `${linesOf(machine, style).join("\n")}\n`).join("\n");
}

function linesOf(machine: Demonstration, style: Style): string[] {
  return machine.hardened ? hardenedLines(machine, style) : plainLines(machine, style);
}

function hardenedLines(machine: Demonstration, style: Style): string[] {
  const { arch, series, entry, setPte, stray } = machine;
  return [
    style.bold(`${arch}, series ${seriesTitle(series)}`),
    `Entry ${entry.index} of page-table page ${hex(entry.table)} is at ${entry.address} in the linear map; the page has key ${entry.pkey}.`,
    style.bold("set_pte, inside its guard"),
    ...storeLines(setPte, style),
    style.bold("a stray store to the same entry: the kernel image, writable for the user"),
    ...storeLines(stray, style),
  ];
}

function plainLines(machine: Demonstration, style: Style): string[] {
  const { arch, stray, reached } = machine;
  return [
    style.bold(`${arch}, hardening off: the same stray store`),
    ...storeLines({ ...stray, moments: [] }, style),
    row(
      "user",
      reached
        ? style.red("a store of the process now reaches the kernel image")
        : "a store of the process does not reach the kernel image",
    ),
  ];
}

/** Prints the store after the walk of its TLB miss, and before the exit of the guard. */
function storeLines({ moments, before, after, fault }: ShownStore, style: Style): string[] {
  const walk = moments.findLastIndex(({ kind }) => kind === "walk");
  return [
    ...moments.slice(0, walk + 1).flatMap(momentLines),
    ...(fault === null ? [row("store", `${before} -> ${after}: written`)] : faultLines(fault, before === after, style)),
    ...moments.slice(walk + 1).flatMap(momentLines),
  ];
}

function faultLines(
  { text, registers, explain }: NonNullable<ShownStore["fault"]>,
  unchanged: boolean,
  style: Style,
): string[] {
  const values = Object.entries(registers).map(([name, value]) => `${name} ${value}`);
  return [
    row("store", style.green(`denied: the entry is ${unchanged ? "unchanged" : "CHANGED"}`)),
    row("fault", text),
    row("registers", values.slice(0, REGISTERS).join(", ")),
    row("more", shellOf(["kpkeys", "explain", ...explain])),
  ];
}

function momentLines(moment: Moment): string[] {
  switch (moment.kind) {
    case "context":
      return [row("context", moment.context === null ? "left" : `${moment.context} entered`)];
    case "register": {
      const { name, before, after, changes } = moment;
      return [row("register", `${name} ${short(before)} -> ${short(after)}: ${changes.map(changeText).join(", ")}`)];
    }
    case "barrier":
      return [row("barrier", "the register write takes effect")];
    case "walk":
      return moment.entries.map(({ level, index, entry, type }, place) =>
        row(place === 0 ? "TLB miss" : "", `${level.padEnd(3)} [${String(index).padStart(3)}] ${entry}  ${type}`),
      );
  }
}

function changeText({ pkey, name, before, after }: RightsChange): string {
  return `key ${pkey}${name === null ? "" : ` (${name})`} ${before} -> ${after}`;
}

function row(label: string, text: string): string {
  return `  ${label.padEnd(MARGIN)}${text}`;
}

/** A register's value without leading zeros: 0x57. */
function short(digits: string): string {
  return hex(BigInt(`0x${digits}`));
}
