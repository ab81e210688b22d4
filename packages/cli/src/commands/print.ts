/**
 * Prints a text on stdout.
 * @param text - lines, the last with its line break
 */
export function print(text: string): void {
  process.stdout.write(text);
}

/**
 * Prints a JSON document on stdout.
 * @param document - plain data
 */
export function printJson(document: object): void {
  print(`${JSON.stringify(document, undefined, 2)}\n`);
}
