import { straceNumber } from "./strace-numbers.js";

/** A range of addresses. */
export interface AdvisedRange {
  /** First byte. */
  readonly start: bigint;
  /** Length in bytes. */
  readonly length: bigint;
}

/** The arguments of process_madvise. */
export interface Advice {
  /** The pidfd as strace prints it. */
  readonly pidfd: string;
  /** The ranges; undefined if strace prints only their address, or not all of them. */
  readonly ranges: readonly AdvisedRange[] | undefined;
  /** Number of ranges. */
  readonly count: bigint;
  /** MADV_ value. */
  readonly behavior: bigint;
  /** Flags. */
  readonly flags: bigint;
}

const VECTOR = /^\[(.*)\]$/s;
const RANGE = /^\{iov_base=([^,{}]+), iov_len=([^,{}]+)\}$/;

/**
 * Reads `process_madvise(3, [{iov_base=0x7f0000000000, iov_len=4096}], 1, MADV_COLD, 0)`.
 * @param args - the arguments as strace prints them
 * @returns undefined if an argument is damaged or their number is wrong
 */
export function readAdvice(args: readonly string[]): Advice | undefined {
  if (args.length !== 5) return undefined;
  const [pidfd, vector, vlen, name, bits] = args as [string, string, string, string, string];
  const count = straceNumber(vlen, "");
  const behavior = straceNumber(name, "MADV");
  const flags = straceNumber(bits, "");
  if (count === undefined || behavior === undefined || flags === undefined) return undefined;
  const elements = VECTOR.exec(vector)?.[1];
  if (elements === undefined) {
    return straceNumber(vector, "") === undefined ? undefined : { pidfd, ranges: undefined, count, behavior, flags };
  }
  const texts = elements === "" ? [] : elements.split(/(?<=\}), /);
  if (texts.at(-1) === "...") return { pidfd, ranges: undefined, count, behavior, flags };
  const ranges = texts.map(readRange);
  return ranges.every((range) => range !== undefined) ? { pidfd, ranges, count, behavior, flags } : undefined;
}

function readRange(text: string): AdvisedRange | undefined {
  const [, base = "", size = ""] = RANGE.exec(text) ?? [];
  const start = straceNumber(base, "");
  const length = straceNumber(size, "");
  return start === undefined || length === undefined ? undefined : { start, length };
}
