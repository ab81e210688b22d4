/** The byte that ends a line. */
const NEWLINE = 10;

/** The longest line, in bytes without its newline. Longer lines are skipped. */
export const LONGEST_LINE: number = 1 << 20;

/** Bytes after the text that a parser may read (a comm's padding). */
const SLACK = 64;

/** An open text of lines, by `openText` or `openTrace` of `@kpkeys/workloads`: a recording, vectors, a log. */
export interface InputText {
  /** Its origin, for errors: the path of a file, or any name. */
  readonly where: string;
  /** Its size in bytes, before unpacking; 0 for a pipe or a stream. */
  readonly size: number;
  /** Whether it is gzip. */
  readonly compressed: boolean;
  /** @returns the number of bytes read so far, before unpacking */
  consumed(): number;
  /**
   * The unpacked text. It can be read once. A file is closed when the loop ends, also by an error. A chunk is valid until the next one is
   * requested.
   *
   * @param reached - returns the place that the reader has reached (`12 lines`), for errors
   * @throws KpkeysError ERR_INPUT_KIND, ERR_INPUT_TRUNCATED or ERR_INPUT_MISSING, in the loop
   */
  chunks(reached: () => string): AsyncIterable<Uint8Array>;
}

/** Divides chunks of bytes into blocks of whole lines, in constant memory. */
export interface LineBlocks {
  /** Adds a copy of the next bytes of the text. */
  push(chunk: Uint8Array): void;
  /** Whether the text so far ends within a line, which has not been passed on. */
  cut(): boolean;
  /** Ends the text: a last line without a newline is passed on. */
  finish(): void;
}

/**
 * Creates {@link LineBlocks}. A line is always passed on in one piece: the bytes of a chunk after its last newline stay in the buffer.
 *
 * @param onLines - called with a block of whole lines: the bytes, and the end of the last line, after its newline. Valid during the call.
 * @param onLongLine - called once for each line longer than {@link LONGEST_LINE}
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
