/**
 * A value that is found when first asked for. It stays in a field that is added once: the compiler folds such a field where it
 * would load and check a variable each time. The function is short enough to be inlined whatever surrounds it.
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
