/**
 * A service with some members replaced, for tests and for variants of a machine. All other members run on the original, with its state.
 *
 * @typeParam T - the service's contract
 * @param original - the service
 * @param changes - the members that are replaced
 * @returns the service with these members
 */
export function overriding<T extends object>(original: T, changes: Partial<T>): T {
  return new Proxy(original, {
    get(target, name) {
      if (name in changes) return Reflect.get(changes, name);
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? (member as () => unknown).bind(target) : member;
    },
    set: (target, name, value) => Reflect.set(target, name, value, target),
  });
}
