/**
 * What was thrown, in words; it may be anything, even what throws again when it is looked at.
 * @param thrown - what was thrown
 */
export function reasonOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message || thrown.name : thrown);
  } catch {
    return "a value that cannot be printed";
  }
}
