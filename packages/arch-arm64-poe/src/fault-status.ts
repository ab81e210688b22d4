// Fault status codes of aborts (Arm ARM, ESR_EL1, ISS encoding for an exception from a data or instruction abort), with the
// signals and names of Linux's fault_info (arch/arm64/mm/fault.c).

/** The function of arch/arm64/mm/fault.c that handles a status. */
export type FaultHandler =
  "do_bad" | "do_translation_fault" | "do_page_fault" | "do_sea" | "do_tag_check_fault" | "do_alignment_fault";

/** An entry of Linux's fault_info. */
export interface FaultInfo {
  /** The function that handles it. */
  readonly handler: FaultHandler;
  /** The signal that a user process receives. */
  readonly signal: string;
  /** Its `si_code`. */
  readonly code: string;
  /** Linux's name. */
  readonly name: string;
}

function info(handler: FaultHandler, signal: string, code: string, name: string): FaultInfo {
  return { handler, signal, code, name };
}

const bad = (name: string): FaultInfo => info("do_bad", "SIGKILL", "SI_KERNEL", name);
const sea = (name: string): FaultInfo => info("do_sea", "SIGKILL", "SI_KERNEL", name);

/** The four statuses of a kind, one for each of the levels 0 to 3. */
function levels(first: number, make: (level: number) => FaultInfo): [status: number, info: FaultInfo][] {
  return [0, 1, 2, 3].map((level) => [first + level, make(level)]);
}

const FAULT_INFO: ReadonlyMap<number, FaultInfo> = new Map([
  ...levels(0x00, (level) => bad(level === 0 ? "ttbr address size fault" : `level ${level} address size fault`)),
  ...levels(0x04, (level) =>
    info("do_translation_fault", "SIGSEGV", "SEGV_MAPERR", `level ${level} translation fault`),
  ),
  ...levels(0x08, (level) => info("do_page_fault", "SIGSEGV", "SEGV_ACCERR", `level ${level} access flag fault`)),
  ...levels(0x0c, (level) => info("do_page_fault", "SIGSEGV", "SEGV_ACCERR", `level ${level} permission fault`)),
  [0x10, info("do_sea", "SIGBUS", "BUS_OBJERR", "synchronous external abort")],
  [0x11, info("do_tag_check_fault", "SIGSEGV", "SEGV_MTESERR", "synchronous tag check fault")],
  [0x13, sea("level -1 (translation table walk)")],
  ...levels(0x14, (level) => sea(`level ${level} (translation table walk)`)),
  [0x18, info("do_sea", "SIGBUS", "BUS_OBJERR", "synchronous parity or ECC error")],
  [0x1b, sea("level -1 synchronous parity error (translation table walk)")],
  ...levels(0x1c, (level) => sea(`level ${level} synchronous parity error (translation table walk)`)),
  [0x21, info("do_alignment_fault", "SIGBUS", "BUS_ADRALN", "alignment fault")],
  [0x23, bad("Granule Protection Fault at level -1")],
  ...levels(0x24, (level) => bad(`Granule Protection Fault at level ${level}`)),
  [0x28, bad("Granule Protection Fault not on table walk")],
  [0x29, bad("level -1 address size fault")],
  [0x2b, info("do_translation_fault", "SIGSEGV", "SEGV_MAPERR", "level -1 translation fault")],
  [0x30, bad("TLB conflict abort")],
  [0x31, bad("Unsupported atomic hardware update fault")],
  [0x34, bad("implementation fault (lockdown abort)")],
  [0x35, info("do_bad", "SIGBUS", "BUS_OBJERR", "implementation fault (unsupported exclusive)")],
  [0x3d, bad("section domain fault")],
  [0x3e, bad("page domain fault")],
]);

/**
 * A fault status code in Linux's words.
 *
 * @param status - DFSC or IFSC, 6 bits
 */
export function faultInfo(status: number): FaultInfo {
  return FAULT_INFO.get(status) ?? bad(`unknown ${status}`);
}

/** Status codes of level -1, which only walks of 52-bit addresses have (FEAT_LPA2). */
export const LEVEL_MINUS_ONE: ReadonlySet<number> = new Set([0x29, 0x2b]);

/**
 * Whether a fault with this status is a result of translation: tables, rights or keys.
 *
 * @param status - DFSC or IFSC, 6 bits
 */
export function isTranslationResult(status: number): boolean {
  return status < 0x10 || LEVEL_MINUS_ONE.has(status);
}

/** The source of the statuses. */
export const STATUS_SOURCE = "Arm ARM, ESR_EL1, DFSC";

/** Meanings of the statuses that are not results of translation. Each applies to the statuses up to `last`. */
const MEANINGS: readonly (readonly [last: number, text: string])[] = [
  [0x10, "the memory system or a device returned an error; the address was translated"],
  [
    0x11,
    "the tag in the address's bits 59 to 56 is not the tag of the memory (MTE, KASAN_HW_TAGS): out of bounds, or after free",
  ],
  [
    0x17,
    "the memory system returned an error for the walk's read of a table: the table's address is not memory, or the memory is faulty",
  ],
  [0x18, "the data had a parity or ECC error that could not be corrected"],
  [0x1f, "a table that the walk read had a parity or ECC error"],
  [0x20, "the status is reserved"],
  [
    0x21,
    "the address is not aligned as the access needs it: to Device memory, by an exclusive or atomic, or with SCTLR_EL1.A",
  ],
  [0x28, "the granule protection check denies the physical address (RME)"],
  [0x30, "two TLB entries match the address: an entry was changed without break-before-make"],
  [0x31, "hardware may not update the entry: the memory of the table does not support atomic updates"],
  [0x34, "a fault that the implementation defines: lockdown"],
  [0x35, "an exclusive or atomic access to memory that does not support it: Device or non-cacheable memory"],
];

/**
 * The meaning of a status that is not a result of translation.
 *
 * @param status - DFSC or IFSC, 6 bits
 * @returns the meaning and its source
 */
export function statusMeaning(status: number): { readonly text: string; readonly source: string } {
  const [, text] = MEANINGS.find(([last]) => status <= last) ?? [
    0,
    "the status is reserved, or the implementation defines it",
  ];
  return { text, source: STATUS_SOURCE };
}
