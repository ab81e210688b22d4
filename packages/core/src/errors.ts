import { printable } from "./printable.js";

/**
 * Every error code of the laboratory with what it means. One list for all packages, so that a code printed by the command can
 * be looked up in one place.
 *
 * @enum
 */
export const ERROR_CODES = {
  ERR_USAGE:
    "the command line asks for something that does not exist: an unknown command, flag, architecture, series or policy",
  ERR_API_MISUSE:
    "a function of the library is called with an object, or in a state, that it is not for: a task of another machine, a page that vmalloc did not give",
  ERR_INPUT_MISSING: "an input file does not exist or may not be read",
  ERR_INPUT_KIND: "an input is of the wrong kind: a directory, a binary file, a compressed file of another format",
  ERR_INPUT_TRUNCATED: "a compressed input ends before its end",
  ERR_OUTPUT: "an output file cannot be written",
  ERR_TRACE_EMPTY: "a trace holds no event",
  ERR_TRACE_TIMES: "an event has no time, and the end that is asked for is a time",
  ERR_TRACE_LINE: "a line of a trace is damaged: it begins like an event and cannot be read as one",
  ERR_TRACE_LACKS: "a trace lacks the events on which all that is asked for depends",
  ERR_TRACE_PAGE_SIZE:
    "a trace maps in smaller pages than the machine has, which therefore cannot map or unmap the same",
  ERR_RECORD: "a workload cannot be recorded here: there is no perf, or it may not use tracepoints",
  ERR_VMPTE_LINE: "a line of a VmPTE file is not `pid ppid name VmPTE VmRSS faults`",
  ERR_COST_FILE: "a file of unit costs is no JSON, or lacks a cost, has an unknown one or one of the wrong form",
  ERR_VECTOR_LINE:
    "a line of a vector file is damaged, lacks a field, has an unknown one or one of the wrong form, or is of another architecture",
  ERR_VECTOR_EMPTY: "a vector file holds no line",
  ERR_EXHIBIT:
    "the museum has no such exhibit, or not on that architecture, or a replay string has not the form that it prints",
  ERR_EXPLAIN_INPUT: "what is to be explained is unknown, missing, contradicts itself or is no number",
  ERR_EXPLAIN_LIMIT: "what is to be explained is valid, and the model does not cover it",
  ERR_EXPLAIN_NO_OOPS: "a text has no fault report of a supported architecture",
  ERR_KUNIT_EMPTY: "no KUnit case is left to run: none is built in, or none has the name that is asked for",
  ERR_SPEC: "a machine specification holds an impossible value",
  ERR_OUT_OF_MEMORY: "the machine has too little memory for what is asked of it",
  ERR_PHYSICAL_ADDRESS: "a page-frame number lies outside the RAM of the machine",
  ERR_CORE_DUPLICATE: "the process has loaded two copies of @kpkeys/core, which do not know each other's objects",
  ERR_PLUGIN_INVALID: "a plugin lacks a field, or a field has the wrong form",
  ERR_PLUGIN_MISSING: "a package that is named as a plugin is not installed",
  ERR_PLUGIN_CONFIG: "a file kpkeys.config.* cannot be parsed, or has a field of the wrong form or an unknown one",
  ERR_PLUGIN_CONFIG_THROWS: "the code of a file kpkeys.config.* throws",
  ERR_PLUGIN_LOAD: "a package or module cannot be loaded, or exports no plugin",
  ERR_PLUGIN_TIMEOUT: "the code of a package that is being judged did not end within the time limit",
  ERR_PLUGIN_CONTRACT: "a plugin was written against another version of the contracts",
  ERR_PLUGIN_DUPLICATE: "two plugins have one id",
  ERR_PLUGIN_DEPENDENCY: "a plugin depends on another that is not there, or on itself by a circle",
  ERR_PLUGIN_ARCH: "a machine needs exactly one architecture plugin",
  ERR_CONTRACT_MISSING: "a contract is asked for that nothing in the machine implements, or not yet",
  ERR_EXTENSION_UNKNOWN: "a handler or a guard is meant for an extension point that does not exist",
  ERR_CONFIG_LINE: "a config line is none of `CONFIG_X=y`, `CONFIG_X=n` and `# CONFIG_X is not set`",
  ERR_CONFIG_DEPENDS: "a config symbol is wanted whose dependencies are not met",
  ERR_FROZEN: "something was registered or changed after the machine was frozen",
  ERR_CONTEXT_UNKNOWN: "a context that no plugin has defined",
  ERR_CONTEXT_DUPLICATE: "a context is defined twice",
  ERR_CONTEXT_DEFAULT_PKEY: "a context gives other rights than rwx on key 0, with which kernel code is mapped",
  ERR_CONTEXT_RIGHTS: "a context names rights that the architecture's register cannot express",
  ERR_PKEY_UNKNOWN: "a symbolic key that no plugin has registered",
  ERR_PKEY_DUPLICATE: "a symbolic key is registered twice",
  ERR_PKEY_EXHAUSTED: "the features of a machine want more keys than the architecture has",
  ERR_STATE_FOREIGN:
    "a state handed to leaveContext was not made by this machine's enterContext, or was consumed already",
  ERR_STATE_EXHAUSTED: "more contexts are entered at once than states can be kept for",
  ERR_GUARD_TAKEN:
    "a second feature asks for a guard point, the allocation of table pages or the store of credentials that another holds",
  ERR_UNSYNCHRONISED:
    "on a strict machine: an access was made whose outcome depends on a key-register write that no barrier has synchronised",
  ERR_KERNEL_FAULT: "the model kernel itself took a fault that nothing handles",
  ERR_KERNEL_BUG:
    "the model kernel found a rule of its own broken, where Linux has a BUG(): a credential or object misused",
  ERR_DEADLOCK: "a task waits for a lock that nobody can give back: it holds the lock itself, or the holder cannot run",
  ERR_INIT_ORDER: "an initialisation step was called too late, too early or twice",
} as const;

/** A code of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** What an error knows beside its message. */
export interface ErrorDetails {
  /** Where it happened: a file with a line, an address, a plugin id. Printed before the message. */
  readonly where?: string;
  /** What would have been right. Printed after the message. */
  readonly expected?: string;
  /** The error underneath, if there is one. */
  readonly cause?: unknown;
}

/**
 * The only error that the laboratory throws on purpose. Its message is one printable line: where, what was wrong, what was expected.
 *
 * @example
 * ```ts
 * import { KpkeysError } from "@kpkeys/core";
 *
 * const error = new KpkeysError("ERR_USAGE", "unknown architecture 'riscv'", { expected: "arm64-poe or x86-pks" });
 * console.log(error.message); // unknown architecture 'riscv'; expected arm64-poe or x86-pks
 * ```
 */
export class KpkeysError extends Error {
  /** The code, for programs and for looking up. */
  readonly code: ErrorCode;
  /** Where it happened, if that was told. */
  readonly where: string | undefined;

  /**
   * @param code - a code of {@link ERROR_CODES}
   * @param what - what was wrong, in words, on one line
   * @param details - where, what was expected, and the cause
   */
  constructor(code: ErrorCode, what: string, details: ErrorDetails = {}) {
    const { where, expected, cause } = details;
    const text = `${where === undefined ? "" : `${where}: `}${what}${expected === undefined ? "" : `; expected ${expected}`}`;
    super(printable(text.replaceAll(/\s*\n\s*/g, " ")), { cause });
    this.name = "KpkeysError";
    this.code = code;
    this.where = where;
  }
}
