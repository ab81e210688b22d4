import "reflect-metadata";
import { container as globalContainer } from "tsyringe";
import type { DependencyContainer, InjectionToken } from "tsyringe";
import type { Token } from "./contracts/index.js";
import { KpkeysError } from "./errors.js";
import { once } from "./once.js";

export { inject, injectable } from "tsyringe";
export type { DependencyContainer, InjectionToken } from "tsyringe";

/** tsyringe's container class: a container made with it inherits nothing, a child of the global container would. */
const Container = globalContainer.constructor as new () => DependencyContainer;

/**
 * Makes the container of one machine. Containers share nothing, so machines of different architectures can be used in one process.
 *
 * @returns an empty container
 */
export function createContainer(): DependencyContainer {
  return new Container();
}

/**
 * Registers a class that implements a contract: the container makes one instance when it is first resolved, and resolves the
 * `@inject` parameters of its constructor from the same container.
 *
 * @typeParam T - the contract
 * @param container - a machine's container
 * @param token - the contract's token, or another class whose instances are shared in the machine
 * @param implementation - an `@injectable()` class
 */
export function provideClass<T>(
  container: DependencyContainer,
  token: InjectionToken<T>,
  // A constructor's parameters are the container's business: `never` accepts every constructor.
  implementation: new (...dependencies: never[]) => T,
): void {
  container.registerSingleton<T>(token, implementation as new (...dependencies: unknown[]) => T);
}

/**
 * Registers an object that implements a contract.
 *
 * @typeParam T - the contract
 * @param container - a machine's container
 * @param token - the contract's token
 * @param instance - the implementation
 */
export function provide<T>(container: DependencyContainer, token: Token<T>, instance: NoInfer<T>): void {
  container.registerInstance<T>(token, instance);
}

/**
 * Resolves a contract. For building a machine only: a resolve costs about as much as fifty guarded writes, so keep the result.
 *
 * @typeParam T - the contract
 * @param container - a machine's container
 * @param token - the contract's token
 * @returns the implementation
 * @throws KpkeysError ERR_CONTRACT_MISSING
 */
export function resolve<T>(container: DependencyContainer, token: Token<T>): T {
  if (!container.isRegistered(token, true)) throw missing(token.description);
  try {
    return container.resolve<T>(token);
  } catch (cause) {
    // tsyringe reports a missing dependency of a class, at any depth, with the token's name in the text.
    const [, name] = /unregistered dependency token: "Symbol\((.*?)\)"/.exec(String(cause)) ?? [];
    throw name === undefined ? cause : missing(name, cause);
  }
}

function missing(name = "without a name", cause?: unknown): KpkeysError {
  return new KpkeysError("ERR_CONTRACT_MISSING", `nothing in this machine implements the contract ${name}`, {
    expected: "a plugin that registers it, or a later resolve, once the kernel is built",
    cause,
  });
}

/**
 * A contract that is resolved when first asked for: for plugins, whose `setup` runs before the kernel is built.
 *
 * @typeParam T - the contract
 * @param container - a machine's container
 * @param token - the contract's token
 * @returns a function that gives what implements it, always the same
 */
export function lazily<T extends object>(container: DependencyContainer, token: Token<T>): () => T {
  return once(() => resolve(container, token));
}
