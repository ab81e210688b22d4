import { createRequire } from "node:module";
import type * as Tsyringe from "tsyringe";
import type { DependencyContainer } from "tsyringe";
import type { Token } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { once } from "./once.js";

export type { DependencyContainer } from "tsyringe";

// Loaded as the CommonJS modules that they are: of their forty files Node.js would make ES modules first, which takes as long again as
// all else of an empty process.
const require = createRequire(import.meta.url);
require("reflect-metadata");
const tsyringe = require("tsyringe") as typeof Tsyringe;

/** The container's decorator of a constructor's parameter: which token it is resolved by. */
export const inject: typeof Tsyringe.inject = tsyringe.inject;
/** The container's decorator of a class that it can make. */
export const injectable: typeof Tsyringe.injectable = tsyringe.injectable;
/** The container's decorator of a constructor's parameter that takes all that is registered with a token. */
export const injectAll: typeof Tsyringe.injectAll = tsyringe.injectAll;
/** Makes a factory of the container that is run once. */
export const instanceCachingFactory: typeof Tsyringe.instanceCachingFactory = tsyringe.instanceCachingFactory;
/** How long the container keeps what it made of a class. */
export const Lifecycle: typeof Tsyringe.Lifecycle = tsyringe.Lifecycle;

/**
 * Makes the container of one machine. Containers share nothing, so that machines of different architectures may live side by
 * side.
 *
 * @returns an empty container
 */
export function createContainer(): DependencyContainer {
  return tsyringe.container.createChildContainer();
}

/**
 * Registers what implements a contract in a machine.
 *
 * @typeParam T - the contract
 * @param container - a machine's container
 * @param token - the contract's token
 * @param instance - what implements it
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
 * @returns what implements it
 * @throws KpkeysError ERR_CONTRACT_MISSING
 */
export function resolve<T>(container: DependencyContainer, token: Token<T>): T {
  if (!container.isRegistered(token, true)) {
    const name = token.description ?? "without a name";
    throw new KpkeysError("ERR_CONTRACT_MISSING", `nothing in this machine implements the contract ${name}`, {
      expected: "a plugin that registers it, or asking once the kernel is built",
    });
  }
  return container.resolve<T>(token);
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
