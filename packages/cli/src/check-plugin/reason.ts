/**
 * Describes a thrown value of foreign code. Converting it to a string may throw again.
 * @param thrown - any value
 */
export function reasonOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message || thrown.name : thrown);
  } catch {
    return "a value that cannot be printed";
  }
}
