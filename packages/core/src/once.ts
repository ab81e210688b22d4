/**
 * Resolves a value on first use and keeps it, in a field that V8 folds (docs/performance.md, "Switched off").
 *
 * @typeParam T - what it is
 * @param find - finds it
 * @returns a function that gives it, always the same
 */
export function once<T extends object>(find: () => T): () => T {
  const found: { value?: T } = {};
  const search = (): T => (found.value = find());
  return () => found.value ?? search();
}
