import "reflect-metadata";
import { container as globalContainer } from "tsyringe";
import type { DependencyContainer, InjectionToken } from "tsyringe";
import type { Token } from "./contracts/index.js";
import { KpkeysError } from "./errors.js";
import { once } from "./once.js";

export { inject, injectable } from "tsyringe";
export type { DependencyContainer, InjectionToken } from "tsyringe";

/** tsyringe's container class. A new container has no registrations; a child of the global container would inherit its registrations. */
const Container = globalContainer.constructor as new () => DependencyContainer;

/**
 * Makes the container of one machine. Containers are independent, so one process can have machines of different architectures.
 *
 * @returns an empty container
 */
export function createContainer(): DependencyContainer {
  return new Container();
}

/**
 * Registers a class that implements a contract. The container makes one instance when the contract is first resolved, and resolves the
 * `@inject` parameters of its constructor.
 *
 * @typeParam T - the contract
 * @param container - a machine's container
 * @param token - the contract's token, or a class with one instance in the machine
 * @param implementation - an `@injectable()` class
 */
export function provideClass<T>(
  container: DependencyContainer,
  token: InjectionToken<T>,
  // `never` accepts constructors with any parameters: the container resolves them.
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
 * Resolves a contract. Use it while a machine is built and store the result: a resolve costs about as much as fifty guarded writes.
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
  return new KpkeysError(
    "ERR_CONTRACT_MISSING",
    `cannot resolve contract ${name}: no plugin or kernel service has registered it`,
    {
      advice: "add the plugin that registers it, or resolve it with lazily() after the kernel is built",
      cause,
    },
  );
}

/**
 * Resolves a contract on first use. For plugins: their `setup` runs before the kernel is built.
 *
 * @typeParam T - the contract
 * @param container - a machine's container
 * @param token - the contract's token
 * @returns a function that returns the implementation
 */
export function lazily<T extends object>(container: DependencyContainer, token: Token<T>): () => T {
  return once(() => resolve(container, token));
}
