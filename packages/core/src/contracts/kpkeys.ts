import type { Pkey } from "./numbers.js";
import type { PkeyValue, Rights } from "./pkey-register.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/**
 * The names of keys. An open type: a feature adds its names by declaration merging.
 *
 * ```ts
 * declare module "@kpkeys/core/contracts" {
 *   interface KpkeysPkeys {
 *     SELINUX: true;
 *   }
 * }
 * ```
 */
export interface KpkeysPkeys {
  /** Key 0: all memory that no feature protects. */
  DEFAULT: true;
}

/** Name of a key. */
export type PkeyName = Extract<keyof KpkeysPkeys, string>;

/**
 * The names of contexts. An open type: a feature adds its names by declaration merging, and defines the rights with
 * {@link Kpkeys.defineContext}.
 */
export interface KpkeysContexts {
  /**
   * The context that is in effect when no other is entered: `rwx` on key 0, and on each other managed key the rights of its registration,
   * read-only if that gives none.
   */
  DEFAULT: true;
  /**
   * KPKEYS_LVL_UNRESTRICTED of the credentials series: for allocators, which write to objects of every feature. It exists if a feature
   * defines it, without rights: those on a key are given by the key's registration.
   */
  UNRESTRICTED: true;
}

/** Name of a context. */
export type ContextName = Extract<keyof KpkeysContexts, string>;

/** `true` if a type is a union of several types. */
type IsUnion<T, U = T> = [T] extends [never] ? false : T extends unknown ? ([U] extends [T] ? false : true) : false;

/**
 * A context named by one literal. A number, a string, and a variable that may hold several contexts are type errors. In the series, a
 * context is a compile-time constant for the same reason: data of an attacker must not select it.
 *
 * @typeParam C - the literal
 */
export type LiteralContext<C extends ContextName> = IsUnion<C> extends true ? never : C;

declare const kpkeysState: unique symbol;

/**
 * The state returned by entering a context: opaque, valid for one {@link Kpkeys.leaveContext}. It records whether a context was entered,
 * so no register value is reserved for "not entered" (`struct kpkeys_state` of RFC v9).
 */
export type KpkeysState = number & {
  /** Never present at run time. */
  readonly [kpkeysState]: true;
};

/** The state returned if a guard's condition is false or the CPU has no kernel pkeys. Leaving it has no effect. */
export const NOT_ENTERED: KpkeysState = 0 as KpkeysState;

/**
 * The rights of a context on each managed key. A key that is not named has its DEFAULT rights. The key DEFAULT has `rwx` in every context,
 * because kernel code is mapped with it.
 */
export type ContextRights = Readonly<
  Partial<
    Record<Exclude<PkeyName, "DEFAULT">, Rights> & {
      /** Key 0, of code and data. */
      DEFAULT: "rwx";
    }
  >
>;

/** The rights on a key in the contexts that serve all features. */
export interface KeyRights {
  /** The rights in DEFAULT, and in each context that does not name the key: `r` if left out, `none` for secrets. */
  readonly default?: Rights;
  /**
   * The rights in UNRESTRICTED. If left out, `rw` in addition to the rights in DEFAULT for a key that DEFAULT may read; the rights in
   * DEFAULT for another key, so that a secret remains withheld from allocators.
   */
  readonly unrestricted?: Rights;
}

/** A context as mask and value: `register = (register & ~clear) | set`. */
export interface CompiledContext {
  /** The context's name. */
  readonly name: ContextName;
  /** Bits of the key register, or of both registers, that belong to managed keys. */
  readonly clear: PkeyValue;
  /** Their rights in this context. */
  readonly set: PkeyValue;
}

/** Enters a context before a piece of code and leaves it after: `guard(name)()` of the series. */
export interface Guard {
  /**
   * Enters the context if the guard's condition is true.
   * @returns a state for {@link exit}; {@link NOT_ENTERED} if the condition is false. A setter that writes a run of entries then writes the
   *   rest of the run without another call
   */
  enter(): KpkeysState;
  /**
   * Leaves the context. It uses the state only and does not evaluate the condition again: enabling a static key writes page tables, so the
   * condition can change between entry and exit.
   * @param state - the result of {@link enter}
   */
  exit(state: KpkeysState): void;
}

/** The part of kpkeys that an architecture implements. */
export interface KpkeysArch {
  /** Whether this CPU supports kernel pkeys: `arch_supports_kpkeys()`. */
  supportsKpkeys(): boolean;
  /** The same before the capabilities of all CPUs are known: `arch_supports_kpkeys_early()`. */
  supportsKpkeysEarly(): boolean;
  /** Numbers that the architecture reserves, by key name. Other keys get the lowest free number. */
  readonly pkeyNumbers: Readonly<Record<string, number>>;
  /** Key-register writes of {@link enterContext} and {@link leaveContext}. */
  readonly counters: {
    /** Register writes to enter or leave a context. */
    readonly registerWrites: number;
    /** Barriers to synchronise them, without those that a setter emits in any case. */
    readonly barriers: number;
  };
  /**
   * Enters a context on the current CPU: changes the rights of the managed keys, in both registers if there are two, and synchronises.
   * @param context - the context
   * @param saved - receives the previous value in four words from `slot * 4` on: the high and the low word of the key register, then
   *   those of the register for fetches, which do not change if there is none
   * @param slot - index of the four words
   * @returns whether a register was written; if not, leaving restores nothing
   */
  enterContext(context: CompiledContext, saved: Int32Array, slot: number): boolean;
  /**
   * Restores the key register, or both registers, on the current CPU.
   * @param saved - the saved values
   * @param slot - index of the four words
   * @param barrierFollows - whether the caller executes a synchronising barrier next, so that this function needs none
   */
  leaveContext(saved: Int32Array, slot: number, barrierFollows: boolean): void;
}

/** Token of {@link KpkeysArch}. */
export const KpkeysArch: Token<KpkeysArch> = token("KpkeysArch");

/** The kpkeys API (`<linux/kpkeys.h>`), as in RFC v9 of the series. */
export interface Kpkeys {
  /** Whether the CPU supports kernel pkeys: `kpkeys_supported()`. */
  supported(): boolean;
  /**
   * Registers a key. Only during a plugin's `setup`; the plugin owns the key.
   * @param name - its name
   * @param rights - its rights in DEFAULT and UNRESTRICTED
   * @returns its number on this architecture; past the last key if there are too many, which {@link freeze} rejects
   * @throws KpkeysError ERR_FROZEN, ERR_PKEY_DUPLICATE, ERR_CONTEXT_RIGHTS
   */
  registerPkey(name: PkeyName, rights?: KeyRights): Pkey;
  /**
   * Defines the rights of a context. Only during a plugin's `setup`. A key that is not named has its DEFAULT rights. More rights than those
   * can be given only on a key of the same plugin, which {@link freeze} checks. DEFAULT cannot be defined. UNRESTRICTED can be defined
   * without rights, by each feature that enters it.
   * @param name - the context
   * @param rights - rights by key; `DEFAULT` can only have `rwx`
   * @throws KpkeysError ERR_FROZEN, ERR_CONTEXT_RESERVED, ERR_CONTEXT_DUPLICATE, ERR_CONTEXT_DEFAULT_PKEY, ERR_CONTEXT_RIGHTS,
   *   ERR_PKEY_UNKNOWN
   */
  defineContext(name: ContextName, rights: ContextRights): void;
  /**
   * The number of a key.
   * @param name - its name
   * @throws KpkeysError ERR_PKEY_UNKNOWN
   */
  pkey(name: PkeyName): Pkey;
  /**
   * The owner of a key.
   * @param name - its name
   * @returns the id of the plugin that registered it; `kpkeys` for DEFAULT; `undefined` if it was registered outside of a plugin's `setup`
   * @throws KpkeysError ERR_PKEY_UNKNOWN
   */
  pkeyOwner(name: PkeyName): string | undefined;
  /** Names of the registered keys, by number. */
  readonly pkeyNames: ReadonlyMap<number, PkeyName>;
  /** Names of the defined contexts. */
  readonly contextNames: readonly ContextName[];
  /**
   * Compiles all contexts to mask and value. Later registrations are rejected.
   * @throws KpkeysError ERR_PKEY_EXHAUSTED for more keys than the register has; ERR_CONTEXT_FOREIGN_KEY for a context with more rights on
   *   another plugin's key than DEFAULT has; ERR_CONTEXT_RIGHTS for rights that the register cannot express
   */
  freeze(): void;
  /**
   * The rights of a context on a key, for tools.
   * @param context - the context
   * @param key - the key
   * @throws KpkeysError ERR_CONTEXT_UNKNOWN, ERR_PKEY_UNKNOWN
   */
  rights(context: ContextName, key: PkeyName): Rights;
  /**
   * The mask and value of a context, for tools and tests. Only after {@link freeze}.
   * @param name - the context
   * @throws KpkeysError ERR_CONTEXT_UNKNOWN
   */
  compiled(name: ContextName): CompiledContext;
  /**
   * The initial value of the register: the rights of DEFAULT on managed keys, no access on all others. Only after {@link freeze}.
   */
  initialValue(): PkeyValue;
  /**
   * Enters a context.
   * @param context - one literal context
   * @returns a state for {@link leaveContext}
   * @throws KpkeysError ERR_CONTEXT_UNKNOWN
   */
  enterContext<const C extends ContextName>(context: LiteralContext<C>): KpkeysState;
  /**
   * Leaves a context.
   * @param state - the result of {@link enterContext} or a guard; it is valid once
   * @throws KpkeysError ERR_STATE_FOREIGN
   */
  leaveContext(state: KpkeysState): void;
  /**
   * Leaves a context immediately before a synchronising barrier.
   * @param state - as in {@link leaveContext}
   * @throws KpkeysError ERR_STATE_FOREIGN
   */
  leaveContextBeforeBarrier(state: KpkeysState): void;
  /** A guard that does nothing: `KPKEYS_GUARD_NOOP`. */
  guardNoop(): Guard;
  /**
   * A guard that enters a context if a condition is true: `KPKEYS_GUARD_COND`.
   * @param context - one literal context
   * @param condition - evaluated on entry only
   */
  guardCond<const C extends ContextName>(context: LiteralContext<C>, condition: () => boolean): Guard;
  /**
   * A guard that enters a context if kernel pkeys are supported: `KPKEYS_GUARD`.
   * @param context - one literal context
   */
  guard<const C extends ContextName>(context: LiteralContext<C>): Guard;
}

/** Token of {@link Kpkeys}. */
export const Kpkeys: Token<Kpkeys> = token("Kpkeys");

/** A switch that is off at boot and read on hot paths: `DEFINE_STATIC_KEY_FALSE`, `__ro_after_init`. */
export interface StaticKey {
  /** Its name, as in Linux. */
  readonly name: string;
  /** Whether it is on. */
  readonly enabled: boolean;
  /**
   * Turns it on: `static_branch_enable`.
   * @throws KpkeysError ERR_FROZEN after init
   */
  enable(): void;
}

/** Makes the machine's static keys. */
export interface StaticKeys {
  /**
   * Makes a key that is off.
   * @param name - `kpkeys_hardened_pgtables_key`
   * @throws KpkeysError ERR_FROZEN
   */
  define(name: string): StaticKey;
  /** All static keys. */
  readonly all: readonly StaticKey[];
  /** Makes all keys read-only. */
  freeze(): void;
}

/** Token of {@link StaticKeys}. */
export const StaticKeys: Token<StaticKeys> = token("StaticKeys");
