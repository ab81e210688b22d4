import { printable } from "./printable.js";

/**
 * All error codes with their meanings: one list for all packages. docs/errors.md has the advice for each code.
 *
 * @enum
 */
export const ERROR_CODES = {
  ERR_USAGE:
    "the command line asks for something that does not exist: an unknown command, flag, architecture, series or policy",
  ERR_API_MISUSE:
    "a function is called with an invalid argument or in an invalid state: a task of another machine, a page that vmalloc did not allocate",
  ERR_INPUT_MISSING: "an input file does not exist or cannot be read",
  ERR_INPUT_KIND: "an input is of the wrong kind: a directory, a binary file, a compressed file of another format",
  ERR_INPUT_TRUNCATED: "a compressed input is truncated",
  ERR_OUTPUT: "an output file cannot be written",
  ERR_TRACE_EMPTY: "a trace has no event",
  ERR_TRACE_TIMES: "an event has no time, but the end of the replay is given as a time",
  ERR_TRACE_LINE: "a line of a trace is malformed: it begins like an event and does not parse",
  ERR_TRACE_LACKS: "a trace lacks the events that the command needs",
  ERR_TRACE_PAGE_SIZE:
    "a trace has mappings in smaller pages than the machine, which cannot map or unmap the same ranges",
  ERR_RECORD: "a workload cannot be recorded on this system: perf is missing, or has no permission to use tracepoints",
  ERR_VMPTE_LINE: "a line of a VmPTE file is not `pid ppid name VmPTE VmRSS faults`",
  ERR_COST_FILE: "the unit-cost file is not valid JSON, or a cost is missing, unknown or malformed",
  ERR_VECTOR_LINE:
    "a line of a vector file is malformed or of another architecture, or a field is missing, unknown or malformed",
  ERR_VECTOR_EMPTY: "a vector file has no line",
  ERR_EXHIBIT: "unknown exhibit, an exhibit that is not on this architecture, or a malformed replay string",
  ERR_EXPLAIN_INPUT: "an input to explain is unknown, missing, contradictory or not a number",
  ERR_EXPLAIN_LIMIT: "the input to explain is valid, but outside the model",
  ERR_EXPLAIN_NO_OOPS: "the text has no fault report of a supported architecture",
  ERR_KUNIT_EMPTY: "there is no KUnit case to run: no suite is built in, or no case matches the filter",
  ERR_SPEC: "a machine specification has an invalid value",
  ERR_OUT_OF_MEMORY: "the machine has too little memory",
  ERR_PHYSICAL_ADDRESS: "a page-frame number is outside the RAM of the machine",
  ERR_CORE_DUPLICATE: "the process has loaded two copies of @kpkeys/core, which cannot share objects",
  ERR_PLUGIN_INVALID: "a field of a plugin is missing or malformed",
  ERR_PLUGIN_MISSING: "a package that is named as a plugin is not installed",
  ERR_PLUGIN_CONFIG: "a file kpkeys.config.* cannot be parsed, or has a field of the wrong form or an unknown one",
  ERR_PLUGIN_CONFIG_THROWS: "the code of a file kpkeys.config.* throws",
  ERR_PLUGIN_LOAD: "a package or module cannot be loaded or exports no plugin",
  ERR_PLUGIN_TIMEOUT: "the code of a checked package exceeded the time limit",
  ERR_PLUGIN_CONTRACT: "a plugin was written against another version of the contracts",
  ERR_PLUGIN_DUPLICATE: "two plugins have the same id",
  ERR_PLUGIN_DEPENDENCY: "a dependency of a plugin is missing or circular",
  ERR_PLUGIN_ARCH: "a machine needs exactly one architecture plugin",
  ERR_CONTRACT_MISSING: "no plugin or kernel service implements a contract, or it is not registered yet",
  ERR_EXTENSION_UNKNOWN: "a handler or a guard names an unknown extension point",
  ERR_CONFIG_LINE: "a config line is not `CONFIG_X=y`, `CONFIG_X=n` or `# CONFIG_X is not set`",
  ERR_CONFIG_DEPENDS: "the dependencies of a config symbol are not met",
  ERR_FROZEN: "a registration or change after the machine was frozen",
  ERR_CONTEXT_UNKNOWN: "no plugin has defined the context",
  ERR_CONTEXT_DUPLICATE: "a context is defined twice",
  ERR_CONTEXT_RESERVED:
    "a feature defines the rights of DEFAULT or UNRESTRICTED: those on a key are given where the key is registered",
  ERR_CONTEXT_FOREIGN_KEY:
    "a context gives more rights on another plugin's key than DEFAULT has: only the plugin that registered the key may do so",
  ERR_CONTEXT_DEFAULT_PKEY: "a context gives rights other than rwx on key 0, with which kernel code is mapped",
  ERR_CONTEXT_RIGHTS: "rights on a key are malformed, or the key register of the architecture cannot express them",
  ERR_PKEY_UNKNOWN: "no plugin has registered the key",
  ERR_PKEY_DUPLICATE: "a key is registered twice",
  ERR_PKEY_EXHAUSTED: "the features of a machine need more keys than the architecture has",
  ERR_STATE_FOREIGN:
    "a state passed to leaveContext was not returned by this machine's enterContext, or was used already",
  ERR_STATE_EXHAUSTED: "too many contexts are entered and not left",
  ERR_GUARD_TAKEN: "a second feature sets a guard, the allocator of table pages or the store of credentials",
  ERR_UNSYNCHRONISED:
    "strict machines: the outcome of an access depends on a key-register write that is not synchronised",
  ERR_KERNEL_FAULT: "the model kernel took a fault without a handler",
  ERR_KERNEL_BUG: "a check of the model kernel failed where Linux has a BUG(): a credential or object is misused",
  ERR_DEADLOCK: "a task waits for a lock that is never released: it holds the lock itself, or the holder cannot run",
  ERR_INIT_ORDER: "an initialisation step was called too early, too late or twice",
} as const;

/** A code of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** Details of an error. */
export interface ErrorDetails {
  /** Its place: a file and line, an address, a plugin id. Printed before the description. */
  readonly where?: string;
  /** The valid values. Printed after the description: `; expected arm64-poe or x86-pks`. */
  readonly expected?: string;
  /** An instruction for the caller. Printed after the description: `; register it in the plugin's setup()`. */
  readonly advice?: string;
  /** The error that caused this one. */
  readonly cause?: unknown;
}

/**
 * The error that all packages throw for invalid input and failed operations. Its message is one printable line: place, description, and
 * what is expected or what to do.
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
  /** The code: see {@link ERROR_CODES}. */
  readonly code: ErrorCode;
  /** Its place; undefined if not given. */
  readonly where: string | undefined;

  /**
   * @param code - a code of {@link ERROR_CODES}
   * @param description - one line: what is wrong, with the offending value
   * @param details - place, valid values, advice and cause
   */
  constructor(code: ErrorCode, description: string, details: ErrorDetails = {}) {
    const { where, expected, advice, cause } = details;
    const place = where === undefined ? "" : `${where}: `;
    const valid = expected === undefined ? "" : `; expected ${expected}`;
    const text = `${place}${description}${valid}${advice === undefined ? "" : `; ${advice}`}`;
    super(printable(text.replaceAll(/\s*\n\s*/g, " ")), { cause });
    this.name = "KpkeysError";
    this.code = code;
    this.where = where;
  }
}
