import { KpkeysArch, NOT_ENTERED, PkeyRegister } from "../contracts/index.js";
import type { Pkey } from "../contracts/numbers.js";
import type {
  CompiledContext,
  ContextName,
  ContextRights,
  Guard,
  KeyRights,
  Kpkeys,
  KpkeysState,
  LiteralContext,
  PkeyName,
  PkeyValue,
  Rights,
} from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { orPkeyValues } from "../pkey-value.js";
import { ContextSwitch } from "./context-switch.js";
import { Contexts } from "./contexts.js";
import { inject, injectable } from "../di.js";
import { Pkeys } from "./pkeys.js";
import { PluginInSetUp } from "./plugin-in-set-up.js";

/** A guard that enters its context if its condition is true. */
class ContextGuard implements Guard {
  private context: CompiledContext | undefined = undefined;

  constructor(
    private readonly name: ContextName,
    private readonly condition: () => boolean,
    private readonly contexts: Contexts,
    private readonly contextSwitch: ContextSwitch,
  ) {}

  enter(): KpkeysState {
    return this.condition() ? this.contextSwitch.enter(this.context ?? this.compile()) : NOT_ENTERED;
  }

  exit(state: KpkeysState): void {
    this.contextSwitch.leave(state, false);
  }

  /** Looks the context up before the first entry. @throws KpkeysError ERR_CONTEXT_UNKNOWN, ERR_INIT_ORDER */
  compile(): CompiledContext {
    return (this.context ??= this.contexts.compiled(this.name));
  }
}

/** The kpkeys API of one machine. Keys and contexts are registered before it is frozen. */
@injectable()
export class KpkeysApi implements Kpkeys {
  private readonly pkeys: Pkeys;
  private readonly contexts: Contexts;
  /** Guards made before the contexts are compiled. */
  private readonly guards: ContextGuard[] = [];
  private frozen = false;

  /**
   * @param arch - the architecture's part
   * @param register - the layout of the key register
   * @param contextSwitch - enters and leaves contexts
   * @param plugin - owns the keys and contexts that are registered
   */
  constructor(
    @inject(KpkeysArch) private readonly arch: KpkeysArch,
    @inject(PkeyRegister) private readonly register: PkeyRegister,
    @inject(ContextSwitch) private readonly contextSwitch: ContextSwitch,
    @inject(PluginInSetUp) private readonly plugin: PluginInSetUp,
  ) {
    this.pkeys = new Pkeys(arch, register);
    this.contexts = new Contexts(this.pkeys, register);
  }

  get pkeyNames(): ReadonlyMap<number, PkeyName> {
    return this.pkeys.names;
  }

  get contextNames(): readonly ContextName[] {
    return this.contexts.names;
  }

  supported(): boolean {
    return this.arch.supportsKpkeys();
  }

  registerPkey(name: PkeyName, rights: KeyRights = {}): Pkey {
    this.rejectIfFrozen(`register key ${name}`, "register");
    return this.pkeys.add(name, rights, this.plugin.id);
  }

  defineContext(name: ContextName, rights: ContextRights): void {
    this.rejectIfFrozen(`define context ${name}`, "define");
    this.contexts.define(name, rights, this.plugin.id);
  }

  pkey(name: PkeyName): Pkey {
    return this.pkeys.find(name).number;
  }

  pkeyOwner(name: PkeyName): string | undefined {
    return this.pkeys.find(name).owner;
  }

  freeze(): void {
    if (this.frozen) return;
    if (this.pkeys.names.size > this.register.keys) throw tooMany(this.pkeys.names.size, this.register);
    this.contexts.compile();
    for (const guard of this.guards) guard.compile();
    this.frozen = true;
  }

  rights(context: ContextName, key: PkeyName): Rights {
    return this.contexts.rights(context, key);
  }

  compiled(name: ContextName): CompiledContext {
    return this.contexts.compiled(name);
  }

  initialValue(): PkeyValue {
    let value: PkeyValue = this.contexts.compiled("DEFAULT").set;
    for (let key = 0; key < this.register.keys; key++) {
      if (!this.pkeys.names.has(key)) value = orPkeyValues(value, this.register.field(key, this.register.unused));
    }
    return value;
  }

  enterContext<const C extends ContextName>(context: LiteralContext<C>): KpkeysState {
    const compiled = this.contexts.compiled(context);
    return this.supported() ? this.contextSwitch.enter(compiled) : NOT_ENTERED;
  }

  leaveContext(state: KpkeysState): void {
    this.contextSwitch.leave(state, false);
  }

  leaveContextBeforeBarrier(state: KpkeysState): void {
    this.contextSwitch.leave(state, true);
  }

  guardNoop(): Guard {
    return { enter: () => NOT_ENTERED, exit: () => undefined };
  }

  guardCond<const C extends ContextName>(context: LiteralContext<C>, condition: () => boolean): Guard {
    const guard = new ContextGuard(context, condition, this.contexts, this.contextSwitch);
    if (this.frozen) guard.compile();
    else this.guards.push(guard);
    return guard;
  }

  guard<const C extends ContextName>(context: LiteralContext<C>): Guard {
    return this.guardCond<C>(context, () => this.supported());
  }

  private rejectIfFrozen(action: string, verb: string): void {
    if (!this.frozen) return;
    throw new KpkeysError("ERR_FROZEN", `cannot ${action}: kpkeys is frozen`, {
      advice: `${verb} it in the plugin's setup()`,
    });
  }
}

function tooMany(wanted: number, { name, keys }: PkeyRegister): KpkeysError {
  return new KpkeysError("ERR_PKEY_EXHAUSTED", `${wanted} keys are registered, but ${name} has ${keys}`, {
    expected: "at most that many, key 0 included",
  });
}
