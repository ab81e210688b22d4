import { ArgumentForm, FORMATS } from "./formats.js";
import { NameTable } from "./name-table.js";
import { NUL, SPACE } from "./scan.js";

const TAB = 9;

/** A word that names an event in a line. */
interface Name {
  /** The word, with its colon. */
  readonly word: string;
  /** Index of the event's format in {@link FORMATS}. */
  readonly format: number;
  /** Form of the arguments: an {@link ArgumentForm}. */
  readonly form: number;
  /** Offset of the arguments from the start of the word. */
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

const PLAIN = new Map(NAMES.map(({ word }, index) => [word, index]));

/** An event name with the modifiers of `-e EVENT:MODIFIERS`, as perf prints it. */
const MODIFIED = /^([\w:-]*\w:)[ukhGHIpPSDWeRb]{1,8}:$/;

/** Maximum number of names with modifiers, because a trace may have any number. */
const MAX_MODIFIED = 64;

/** The event names of a recording. Names with modifiers are added when they first occur. */
export class EventNames {
  private readonly table = new NameTable(NAMES.map(({ word }) => word));
  private readonly formats = NAMES.map(({ format }) => format);
  private readonly forms = NAMES.map(({ form }) => form);
  private readonly lengths = NAMES.map(({ length }) => length);

  /** @returns the index of the name at a position, or -1 */
  at(bytes: Uint8Array, at: number): number {
    return this.table.at(bytes, at);
  }

  /** @returns the index of a name with modifiers, or -1 */
  modified(word: string): number {
    const plain = PLAIN.get(MODIFIED.exec(word)?.[1] ?? "");
    if (plain === undefined || this.formats.length >= NAMES.length + MAX_MODIFIED) return -1;
    this.table.add(word);
    this.forms.push(this.forms[plain]!);
    this.lengths.push(word.length);
    return this.formats.push(this.formats[plain]!) - 1;
  }

  /** @returns the index of a name's format in {@link FORMATS} */
  format(index: number): number {
    return this.formats[index]!;
  }

  /** @returns the form of the arguments after a name */
  form(index: number): number {
    return this.forms[index]!;
  }

  /** @returns the offset of the arguments from the start of a name */
  length(index: number): number {
    return this.lengths[index]!;
  }
}

/**
 * Finds the next word of a line.
 * @param bytes - the text
 * @param at - a position in the line
 * @returns the start of the next word, or -1 at the end of the line
 */
export function nextWord(bytes: Uint8Array, at: number): number {
  let i = at;
  while (bytes[i]! > SPACE) i++;
  while (bytes[i] === SPACE || bytes[i] === TAB || bytes[i] === NUL) i++;
  return bytes[i]! < SPACE ? -1 : i;
}
