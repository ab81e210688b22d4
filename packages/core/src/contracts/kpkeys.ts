import type { Pkey } from "./numbers.js";
import type { Rights, Words } from "./pkey-register.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/**
 * The symbolic keys. An open type: a feature adds its own by declaration merging.
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
  /** Everything that no feature protects, key 0. */
  DEFAULT: true;
}

/** Name of a symbolic key. */
export type PkeyName = Extract<keyof KpkeysPkeys, string>;

/**
 * The contexts. An open type: a feature adds its own by declaration merging, and gives the rights with
 * {@link Kpkeys.defineContext}.
 */
export interface KpkeysContexts {
  /** What the kernel runs in unless it says otherwise: read-write on key 0, read-only on every other managed key. */
  DEFAULT: true;
}

/** Name of a context. */
export type ContextName = Extract<keyof KpkeysContexts, string>;

/** `true` when a type is a union of several. */
type IsUnion<T, U = T> = [T] extends [never] ? false : T extends unknown ? ([U] extends [T] ? false : true) : false;

/**
 * A context named by one literal. A number, a string, or a variable that may hold several contexts does not fit: this is the
 * language's form of the series' rule that a context is a compile-time constant, so that no attacker's data selects it.
 *
 * @typeParam C - the literal
 */
export type LiteralContext<C extends ContextName> = IsUnion<C> extends true ? never : C;

declare const kpkeysState: unique symbol;

/**
 * What entering a context gives and leaving it takes: opaque, good for one {@link Kpkeys.leaveContext}. It says whether a
 * context was entered at all, so no register value stands for "nothing to do" (`struct kpkeys_state` of the newest form).
 */
export type KpkeysState = number & {
  /** Never present at run time. */
  readonly [kpkeysState]: true;
};

/** The state returned when a guard's condition is false or the CPU has no kernel pkeys. Leaving it has no effect. */
export const NOT_ENTERED: KpkeysState = 0 as KpkeysState;

/**
 * Which rights a context gives on each managed key; a key not named keeps its DEFAULT rights. The key DEFAULT is `rwx` in every
 * context: kernel code is mapped with it.
 */
export type ContextRights = Readonly<
  Partial<
    Record<Exclude<PkeyName, "DEFAULT">, Rights> & {
      /** Key 0, which maps code and data alike. */
      DEFAULT: "rwx";
    }
  >
>;

/** A context as the access path uses it: `value = (value & ~clear) | set`. */
export interface CompiledContext {
  /** The context's name. */
  readonly name: ContextName;
  /** Bits of the key register that belong to managed keys. */
  readonly clear: Words;
  /** Their rights in this context. */
  readonly set: Words;
}

/** Makes and restores contexts around a piece of code: the series' `guard(name)()`. */
export interface Guard {
  /**
   * Enters, if the guard's condition holds.
   * @returns a state for {@link exit}; {@link NOT_ENTERED} if the condition is false, which a bulk write assumes for all its entries
   */
  enter(): KpkeysState;
  /**
   * Leaves. Looks at the state only, never at the condition again: enabling the static key itself writes page tables, so a
   * guard may be entered with the key off and left with it on.
   * @param state - what {@link enter} gave
   */
  exit(state: KpkeysState): void;
}

/** What an architecture does for kpkeys. */
export interface KpkeysArch {
  /** Whether this CPU supports kernel pkeys: `arch_supports_kpkeys()`. */
  supportsKpkeys(): boolean;
  /** The same question before boot capabilities are final: `arch_supports_kpkeys_early()`. */
  supportsKpkeysEarly(): boolean;
  /** Numbers of the keys that the architecture assigns itself; other keys get the lowest free number. */
  readonly pkeyNumbers: Readonly<Record<string, number>>;
  /** Key-register writes of {@link enterContext} and {@link leaveContext}. */
  readonly counters: {
    /** Register writes to enter or leave a context. */
    readonly registerWrites: number;
    /** Barriers to synchronise them; those that a setter emits anyway are not counted. */
    readonly barriers: number;
  };
  /**
   * Enters a context on the current CPU: changes the managed keys' rights and synchronises.
   *
   * A context changes one register. Where rights are in several (POWER has AMR for data and IAMR for instructions), the compiled context
   * becomes a list of changes in the order of the registers, and a slot as many pairs of words.
   * @param context - what to change
   * @param saved - receives the register's value before, high word at `slot * 2`, low word behind it
   * @param slot - index of the pair
   * @returns whether the register was written; if not, there is nothing to restore
   */
  enterContext(context: CompiledContext, saved: Int32Array, slot: number): boolean;
  /**
   * Restores the key register on the current CPU.
   * @param saved - holds the value
   * @param slot - index of the pair
   * @param barrierFollows - whether the caller's next step is a barrier that synchronises, so that none is needed here
   */
  leaveContext(saved: Int32Array, slot: number, barrierFollows: boolean): void;
}

/** Token of {@link KpkeysArch}. */
export const KpkeysArch: Token<KpkeysArch> = token("KpkeysArch");

/** The kpkeys API (`<linux/kpkeys.h>`), in the newest form of the series. */
export interface Kpkeys {
  /** Whether the CPU supports kernel pkeys: `kpkeys_supported()`. */
  supported(): boolean;
  /**
   * Registers a key. Only during a plugin's `setup`.
   * @param name - its symbolic name
   * @returns its number on this architecture; beyond the last one where there are too many, which {@link freeze} refuses
   * @throws KpkeysError ERR_FROZEN, ERR_PKEY_DUPLICATE
   */
  registerPkey(name: PkeyName): Pkey;
  /**
   * Gives a context its rights. Only during a plugin's `setup`.
   * @param name - the context
   * @param rights - rights by key; on `DEFAULT` nothing but `rwx`
   * @param others - rights on every key that `rights` does not name, `DEFAULT` apart, whoever registers it; their DEFAULT rights if
   *   left out. For a context such as the credentials series' UNRESTRICTED, which opens what its feature need not know
   * @throws KpkeysError ERR_FROZEN, ERR_CONTEXT_DUPLICATE, ERR_CONTEXT_DEFAULT_PKEY, ERR_PKEY_UNKNOWN
   */
  defineContext(name: ContextName, rights: ContextRights, others?: Rights): void;
  /**
   * The number of a key.
   * @param name - its symbolic name
   * @throws KpkeysError ERR_PKEY_UNKNOWN
   */
  pkey(name: PkeyName): Pkey;
  /** Names of the registered keys by number; a number nobody registered is absent. */
  readonly pkeyNames: ReadonlyMap<number, PkeyName>;
  /** Names of the defined contexts. */
  readonly contextNames: readonly ContextName[];
  /**
   * Compiles every context to mask and value; nothing can be registered after.
   * @throws KpkeysError ERR_PKEY_EXHAUSTED for more keys than the register has; ERR_CONTEXT_RIGHTS for rights that it cannot express
   */
  freeze(): void;
  /**
   * The rights that a context gives on a key, apart from any encoding; for tools.
   * @param context - the context
   * @param key - the key
   * @throws KpkeysError ERR_CONTEXT_UNKNOWN
   */
  rights(context: ContextName, key: PkeyName): Rights;
  /**
   * What a context makes of the key register; for tools and tests, after {@link freeze}.
   * @param name - the context
   * @throws KpkeysError ERR_CONTEXT_UNKNOWN
   */
  compiled(name: ContextName): CompiledContext;
  /**
   * What the register starts with: the DEFAULT context's rights on managed keys, no access on all others. Derived, after
   * {@link freeze}.
   */
  initialValue(): Words;
  /**
   * Enters a context.
   * @param context - one literal context
   * @returns a state for {@link leaveContext}
   * @throws KpkeysError ERR_CONTEXT_UNKNOWN
   */
  enterContext<const C extends ContextName>(context: LiteralContext<C>): KpkeysState;
  /**
   * Leaves a context.
   * @param state - what {@link enterContext} or a guard gave; consumed
   * @throws KpkeysError ERR_STATE_FOREIGN
   */
  leaveContext(state: KpkeysState): void;
  /**
   * Leaves a context when a barrier that synchronises is the next thing to come.
   * @param state - as in {@link leaveContext}
   * @throws KpkeysError ERR_STATE_FOREIGN
   */
  leaveContextBeforeBarrier(state: KpkeysState): void;
  /** A guard that does nothing: `KPKEYS_GUARD_NOOP`. */
  guardNoop(): Guard;
  /**
   * A guard that enters a context while a condition holds: `KPKEYS_GUARD_COND`.
   * @param context - one literal context
   * @param condition - asked on enter, never on exit
   */
  guardCond<const C extends ContextName>(context: LiteralContext<C>, condition: () => boolean): Guard;
  /**
   * A guard that enters a context where kernel pkeys are supported: `KPKEYS_GUARD`.
   * @param context - one literal context
   */
  guard<const C extends ContextName>(context: LiteralContext<C>): Guard;
}

/** Token of {@link Kpkeys}. */
export const Kpkeys: Token<Kpkeys> = token("Kpkeys");

/** A switch that is off at boot and read on hot paths: `DEFINE_STATIC_KEY_FALSE`, `__ro_after_init`. */
export interface StaticKey {
  /** Its name, as Linux would have it. */
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
  /** All keys made. */
  readonly all: readonly StaticKey[];
  /** Makes all keys read-only. */
  freeze(): void;
}

/** Token of {@link StaticKeys}. */
export const StaticKeys: Token<StaticKeys> = token("StaticKeys");
