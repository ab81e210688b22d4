import type { WriteStream } from "node:tty";
import pc from "picocolors";

/** The colours of the reports. */
export type Style = ReturnType<typeof pc.createColors>;

/** No colours, for a report in a file or a pipe. */
export const PLAIN: Style = pc.createColors(false);

/** Printed instead of a number that the recording does not contain. */
export const NOT_KNOWN = "not known";

/**
 * The colours for a stream: none unless it is a terminal with colours and `NO_COLOR` is not set.
 * @param stream - the stream of the report
 */
export function styleFor(stream: Partial<Pick<WriteStream, "isTTY">>): Style {
  return pc.createColors((stream.isTTY ?? false) && pc.isColorSupported);
}

/**
 * Formats a count: 176,996.
 * @param value - the count; `null` if it is not known
 */
export function count(value: number | null): string {
  return value === null ? NOT_KNOWN : value.toLocaleString("en-US");
}

/**
 * Formats a size: 512 MiB.
 * @param bytes - the size; `null` if it is not known
 */
export function size(bytes: number | null): string {
  if (bytes === null) return NOT_KNOWN;
  const unit = [
    ["GiB", 2 ** 30],
    ["MiB", 2 ** 20],
  ] as const;
  const [name, one] = unit.find(([, least]) => bytes >= least) ?? ["KiB", 2 ** 10];
  return `${count(Math.round((10 * bytes) / one) / 10)} ${name}`;
}

/**
 * Formats a count with its noun: 2 events.
 * @param value - the count
 * @param noun - the noun in the singular
 * @param plural - the noun in the plural
 */
export function counted(value: number, noun: string, plural = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : plural}`;
}
