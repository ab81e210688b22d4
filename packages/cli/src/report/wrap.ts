/** Indentation of all lines but the first, in characters. */
const HANGING = 2;

/**
 * Wraps words into lines. A word longer than a line gets a separate line.
 * @param words - the words
 * @param width - characters of a line
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
