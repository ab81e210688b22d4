/** The byte that ends a line. */
const NEWLINE = 10;

/** The longest line that is collected, in bytes without its newline. Longer ones are counted, not kept. */
export const LONGEST_LINE: number = 1 << 20;

/** How many bytes behind the text may be looked at (a comm's padding). */
const SLACK = 64;

/** A text of lines that has been opened, by `openText` or `openTrace` of `@kpkeys/workloads`: a recording, vectors, a log. */
export interface InputText {
  /** Where it comes from, for messages: a file's path, or any name. */
  readonly where: string;
  /** Its size in bytes, packed where it is; 0 for what has none, such as a pipe or a stream. */
  readonly size: number;
  /** Whether it is gzip. */
  readonly compressed: boolean;
  /** @returns how many bytes of it have been taken, packed where it is */
  consumed(): number;
  /**
   * The text, unpacked where need be. To be looped over once; a file is closed when the loop ends, by an error too. A chunk is valid
   * until the next is asked for.
   *
   * @param reached - says how far its reader has come (`12 lines`), for the message about a text that ends early
   * @throws KpkeysError ERR_INPUT_KIND, ERR_INPUT_TRUNCATED or ERR_INPUT_MISSING, from within the loop
   */
  chunks(reached: () => string): AsyncIterable<Uint8Array>;
}

/** Joins chunks of bytes to blocks of whole lines, in constant memory. */
export interface LineBlocks {
  /** Takes the next bytes of the text, which are copied. */
  push(chunk: Uint8Array): void;
  /** Whether the text so far ends within a line, which has not been handed on. */
  cut(): boolean;
  /** Ends the text: a last line without a newline is a line. */
  finish(): void;
}

/**
 * A line never passes in two parts: the rest of a chunk behind its last newline waits in the buffer for the next chunk.
 *
 * @param onLines - takes a block of whole lines: the bytes, and where the last line ends, behind its newline. Valid during the call.
 * @param onLongLine - called in place of a line longer than {@link LONGEST_LINE}, as soon as that is known
 */
export function createLineBlocks(
  onLines: (bytes: Uint8Array, end: number) => void,
  onLongLine: () => void,
): LineBlocks {
  const capacity = LONGEST_LINE + 1;
  const buffer = new Uint8Array(capacity + SLACK);
  let filled = 0;
  let inLongLine = false;

  function flush(): void {
    const end = buffer.lastIndexOf(NEWLINE, filled - 1) + 1;
    if (end > 0) {
      onLines(buffer, end);
      buffer.copyWithin(0, end, filled);
      filled -= end;
    } else if (filled === capacity) {
      onLongLine();
      inLongLine = true;
      filled = 0;
    }
  }

  function push(chunk: Uint8Array): void {
    let from = 0;
    while (from < chunk.length) {
      if (inLongLine) {
        const newline = chunk.indexOf(NEWLINE, from);
        if (newline < 0) return;
        inLongLine = false;
        from = newline + 1;
      }
      const part = chunk.subarray(from, from + capacity - filled);
      buffer.set(part, filled);
      filled += part.length;
      from += part.length;
      flush();
    }
  }

  function finish(): void {
    if (filled === 0) return;
    buffer[filled++] = NEWLINE;
    flush();
  }

  return { push, cut: () => filled > 0, finish };
}
