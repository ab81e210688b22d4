/** Columns that further lines stand to the right of the first. */
const HANGING = 2;

/**
 * Sets words into lines; one that is too long keeps a line to itself.
 * @param words - the words, one blank between them
 * @param width - columns of a line
 * @returns lines, all but the first indented
 */
export function wrapped(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of words) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = " ".repeat(HANGING) + word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
