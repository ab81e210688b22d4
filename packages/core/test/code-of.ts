/** Returns the code of the error that a function throws, for `expect(...)`. Rethrows an error without a code. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof Error && "code" in error) return String(error.code);
    throw error;
  }
  return "nothing thrown";
}
