/**
 * Resolves a value on first use and caches it, in a field that V8 folds (docs/performance.md, "Switched off").
 *
 * @typeParam T - type of the value
 * @param find - resolves the value
 * @returns a function that returns the cached value
 */
export function once<T extends object>(find: () => T): () => T {
  const found: { value?: T } = {};
  const search = (): T => (found.value = find());
  return () => found.value ?? search();
}
