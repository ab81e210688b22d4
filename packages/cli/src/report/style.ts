import type { WriteStream } from "node:tty";
import pc from "picocolors";

/** The colours of the reports. */
export type Style = ReturnType<typeof pc.createColors>;

/** No colour at all: what a report in a file or a pipe has. */
export const PLAIN: Style = pc.createColors(false);

/** What a report prints in place of a number that the recording does not show. */
export const NOT_KNOWN = "not known";

/**
 * The colours for a stream: none unless it is a terminal that shows them and `NO_COLOR` is not set.
 * @param stream - where the report goes
 */
export function styleFor(stream: Partial<Pick<WriteStream, "isTTY">>): Style {
  return pc.createColors((stream.isTTY ?? false) && pc.isColorSupported);
}

/**
 * A count as it is read: 176,996.
 * @param value - the count; `null` for one that is not known
 */
export function count(value: number | null): string {
  return value === null ? NOT_KNOWN : value.toLocaleString("en-US");
}

/**
 * A size as it is read: 512 MiB.
 * @param bytes - the size; `null` for one that is not known
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
 * A count of things.
 * @param value - how many
 * @param noun - the thing, in the singular
 * @param plural - several of it
 */
export function counted(value: number, noun: string, plural = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : plural}`;
}
