/**
 * The key with which the implementation of a contract is registered and resolved. A token is a registered symbol, so that two copies of
 * this package have the same one.
 *
 * @typeParam T - the contract
 */
export type Token<T> = symbol & {
  /** Never present at run time; carries the contract's type. */
  readonly __contract?: T;
};

/**
 * Makes the token of a contract.
 *
 * @typeParam T - the contract
 * @param name - the name of the contract, unique in all packages
 * @returns a symbol of the global registry
 */
export function token<T>(name: string): Token<T> {
  return Symbol.for(`@kpkeys/core:${name}`);
}
