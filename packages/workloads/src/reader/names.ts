import { ArgumentForm, FORMATS } from "./formats.js";
import { createNameTable } from "./name-table.js";
import { NUL, SPACE } from "./scan.js";

const TAB = 9;

/** An event as a line names it. */
interface Name {
  /** The word in the line, with its colon. */
  readonly word: string;
  /** Which format of {@link FORMATS} it has. */
  readonly format: number;
  /** How its arguments are printed. */
  readonly form: number;
  /** Where they begin, from the word's start. */
  readonly length: number;
}

/**
 * The words that name an event:
 *
 * ```
 *   syscalls:sys_enter_brk: brk: 0x…      perf script
 *   sys_enter_brk:       brk: 0x…         trace-cmd report
 *   sys_brk(brk: …)      sys_brk -> 0x…   the trace file of ftrace
 *   raw_syscalls:sys_enter: NR 12 (…)     any system call, by its number
 *   page-faults: …                        a sample of perf's software event
 * ```
 */
const NAMES: readonly Name[] = FORMATS.flatMap(({ name: full, form, firstLabel }, format) => {
  const bare = full.slice(full.indexOf(":") + 1);
  const named = [...new Set([full, bare])].map((name) => ({ word: `${name}:`, format, form, length: name.length + 1 }));
  if (!full.startsWith("syscalls:")) return named;
  const call = bare.replace(/^sys_(enter|exit)_/, "sys_");
  const entered = form === ArgumentForm.enter;
  const word = entered ? `${call}(${firstLabel === "" ? ")" : `${firstLabel}:`}` : call;
  const called = { word, format, form: form + ArgumentForm.called, length: call.length + (entered ? 1 : 0) };
  return [...named, called];
});

const FORMAT = Uint8Array.from(NAMES, ({ format }) => format);
const FORM = Uint8Array.from(NAMES, ({ form }) => form);
const LENGTH = Uint8Array.from(NAMES, ({ length }) => length);

/** Modifiers that perf prints behind an event's name, from `-e EVENT:MODIFIERS`. */
const MODIFIED = /^([\w:-]*\w:)[ukhGHIpPSDWeRb]{1,8}:$/;

/** How many names with modifiers are remembered: a trace may hold any number. */
const LEARNED = 64;

/** Finds the events that words name. */
export interface EventNames {
  /** @returns the index of the name at a position, or -1 */
  at(bytes: Uint8Array, at: number): number;
  /** @returns the index of the name that a word is with modifiers behind it, or -1 */
  modified(word: string): number;
  /** @returns which format of {@link FORMATS} the event of a name has */
  format(index: number): number;
  /** @returns how the arguments behind a name are printed */
  form(index: number): number;
  /** @returns how far behind the start of a name its arguments begin */
  length(index: number): number;
}

/** Makes the finder, which remembers names with modifiers once it has met them. */
export function createEventNames(): EventNames {
  const table = createNameTable(NAMES.map(({ word }) => word));
  const plain = new Map(NAMES.map(({ word }, index) => [word, index]));
  const learned: { readonly index: number; readonly length: number }[] = [];

  return {
    at: (bytes, at) => table.at(bytes, at),
    modified(word) {
      const index = plain.get(MODIFIED.exec(word)?.[1] ?? "");
      if (index === undefined || learned.length >= LEARNED) return -1;
      learned.push({ index, length: word.length });
      table.add(word);
      return NAMES.length + learned.length - 1;
    },
    format: (index) => (index < NAMES.length ? FORMAT[index]! : FORMAT[learned[index - NAMES.length]!.index]!),
    form: (index) => (index < NAMES.length ? FORM[index]! : FORM[learned[index - NAMES.length]!.index]!),
    length: (index) => (index < NAMES.length ? LENGTH[index]! : learned[index - NAMES.length]!.length),
  };
}

/**
 * Goes from word to word of a line.
 * @param bytes - the text
 * @param at - a position in the line
 * @returns where the next word begins, or -1 at the line's end
 */
export function nextWord(bytes: Uint8Array, at: number): number {
  let i = at;
  while (bytes[i]! > SPACE) i++;
  while (bytes[i] === SPACE || bytes[i] === TAB || bytes[i] === NUL) i++;
  return bytes[i]! < SPACE ? -1 : i;
}
