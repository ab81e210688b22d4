/**
 * The name under which a contract's implementation is registered and resolved. A token is a registered symbol, so that two
 * copies of this package agree on it; the type parameter is the contract.
 *
 * @typeParam T - the contract that the token stands for
 */
export type Token<T> = symbol & {
  /** Never present at run time; carries the contract's type. */
  readonly __contract?: T;
};

/**
 * Makes the token of a contract.
 *
 * @typeParam T - the contract that the token stands for
 * @param name - the contract's name, unique in the laboratory
 * @returns a symbol of the global registry
 */
export function token<T>(name: string): Token<T> {
  return Symbol.for(`@kpkeys/core:${name}`);
}
