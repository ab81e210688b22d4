import type {
  CompiledContext,
  ContextName,
  ContextRights,
  PkeyName,
  PkeyRegister,
  PkeyValue,
  Rights,
} from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { orPkeyValues } from "../pkey-value.js";
import type { Pkeys } from "./pkeys.js";
import { checkName, exceeds, RIGHTS } from "./rights.js";

/** A context as a feature defines it. */
interface DefinedContext {
  /** Id of the plugin; `undefined` outside of a plugin's `setup`. */
  readonly owner: string | undefined;
  /** The rights that it gives, by the key's name. Names are open types: the keys are strings when this file is compiled. */
  readonly rights: Readonly<Record<string, Rights>>;
}

/**
 * The contexts of a machine: rights by key, which {@link Contexts.compile} turns into mask and value. DEFAULT exists from the start. Its
 * rights and those of UNRESTRICTED come from the registrations of the keys.
 */
export class Contexts {
  /** Names of the contexts, DEFAULT first. */
  readonly names: ContextName[] = ["DEFAULT"];
  private readonly defined = new Map<ContextName, DefinedContext>();
  private readonly compiledByName = new Map<ContextName, CompiledContext>();

  /**
   * @param pkeys - the machine's keys
   * @param register - encodes rights
   */
  constructor(
    private readonly pkeys: Pkeys,
    private readonly register: PkeyRegister,
  ) {}

  /**
   * Defines the rights of a context. UNRESTRICTED can be defined by several features, because each of them adds nothing but its existence.
   * @param name - the context
   * @param rights - rights by key
   * @param owner - id of the plugin that defines it
   * @throws KpkeysError ERR_CONTEXT_RESERVED, ERR_CONTEXT_DUPLICATE, ERR_CONTEXT_DEFAULT_PKEY, ERR_CONTEXT_RIGHTS, ERR_PKEY_UNKNOWN
   */
  define(name: ContextName, rights: ContextRights, owner: string | undefined): void {
    checkName("context", name);
    // Names are open types: this file knows DEFAULT and UNRESTRICTED only.
    const context: string = name;
    const isUnrestricted = context === "UNRESTRICTED";
    if (context === "DEFAULT" || (isUnrestricted && Object.keys(rights).length > 0)) throw reserved(name);
    if (!isUnrestricted && this.defined.has(name)) {
      throw new KpkeysError("ERR_CONTEXT_DUPLICATE", `cannot define context ${name}: it is defined already`, {
        advice: "choose another name",
      });
    }
    for (const [key, right] of Object.entries(rights)) {
      this.pkeys.find(key as PkeyName);
      checkRights(name, right, key);
    }
    // A plugin in JavaScript may pass any string.
    const onDefault: string = rights.DEFAULT ?? "rwx";
    if (onDefault !== "rwx") {
      throw new KpkeysError(
        "ERR_CONTEXT_DEFAULT_PKEY",
        `cannot define context ${name}: it gives '${onDefault}' on key DEFAULT`,
        {
          expected: "'rwx' or no entry: kernel code has that key, and exception entry saves registers through it",
        },
      );
    }
    this.defined.set(name, { owner, rights: { ...rights } });
    if (!this.names.includes(name)) this.names.push(name);
  }

  /**
   * The rights of a context on a key.
   * @param context - a context's name
   * @param key - a key's name
   * @throws KpkeysError ERR_CONTEXT_UNKNOWN
   */
  rights(context: ContextName, key: PkeyName): Rights {
    if (!this.names.includes(context)) throw this.unknown(context);
    const { inDefault, inUnrestricted } = this.pkeys.find(key);
    if (context === "UNRESTRICTED") return inUnrestricted;
    return this.defined.get(context)?.rights[key] ?? inDefault;
  }

  /**
   * Compiles all contexts, once all keys are known.
   * @throws KpkeysError ERR_CONTEXT_FOREIGN_KEY for a context with more rights on another plugin's key than DEFAULT has;
   *   ERR_CONTEXT_RIGHTS for rights that the register cannot express
   */
  compile(): void {
    for (const [name, context] of this.defined) this.checkOwners(name, context);
    for (const name of this.names) this.compiledByName.set(name, this.compileOne(name));
  }

  /**
   * A compiled context.
   * @param name - its name
   * @throws KpkeysError ERR_CONTEXT_UNKNOWN; ERR_INIT_ORDER before {@link compile}
   */
  compiled(name: ContextName): CompiledContext {
    const context = this.compiledByName.get(name);
    if (context !== undefined) return context;
    if (this.names.includes(name)) {
      throw new KpkeysError("ERR_INIT_ORDER", `cannot use context ${name}: contexts are not compiled yet`, {
        advice: "call freeze() first",
      });
    }
    throw this.unknown(name);
  }

  /** Only the plugin that registered a key may open its pages in a context: its author alone knows which code enters that context. */
  private checkOwners(name: ContextName, { owner, rights }: DefinedContext): void {
    for (const [key, given] of Object.entries(rights)) {
      const { owner: keyOwner, inDefault } = this.pkeys.find(key as PkeyName);
      if (owner === keyOwner || !exceeds(given, inDefault)) continue;
      throw new KpkeysError(
        "ERR_CONTEXT_FOREIGN_KEY",
        `context ${name} of ${pluginText(owner)} gives '${given}' on key ${key} of ${pluginText(keyOwner)}, which gives '${inDefault}' in DEFAULT`,
        {
          expected: `at most '${inDefault}'`,
          advice: `enter a context of ${pluginText(keyOwner)} for the accesses, or protect the objects with a key of ${pluginText(owner)}`,
        },
      );
    }
  }

  private compileOne(name: ContextName): CompiledContext {
    let clear: PkeyValue = { high: 0, low: 0 };
    let set: PkeyValue = { high: 0, low: 0 };
    for (const [number, key] of this.pkeys.names) {
      clear = orPkeyValues(clear, this.register.fieldMask(number));
      set = orPkeyValues(set, encodeRights(this.register, name, key, number, this.rights(name, key)));
    }
    return { name, clear, set };
  }

  private unknown(name: ContextName): KpkeysError {
    return new KpkeysError("ERR_CONTEXT_UNKNOWN", `unknown context ${name}`, {
      expected: `one of ${this.names.join(", ")}`,
    });
  }
}

function reserved(context: ContextName): KpkeysError {
  const what =
    context === "DEFAULT" ? "it exists in every machine" : "its rights on a key are given by the key's registration";
  const member = context.toLowerCase();
  return new KpkeysError("ERR_CONTEXT_RESERVED", `cannot define the rights of context ${context}: ${what}`, {
    advice: `give the rights where the key is registered: registerPkey(name, { ${member}: "none" })`,
  });
}

function pluginText(id: string | undefined): string {
  return id === undefined ? "no plugin" : `plugin '${id}'`;
}

function checkRights(context: ContextName, rights: Rights, key: string): void {
  if (RIGHTS.includes(rights)) return;
  throw new KpkeysError("ERR_CONTEXT_RIGHTS", `cannot define context ${context}: it gives '${rights}' on key ${key}`, {
    expected: `one of ${RIGHTS.join(", ")}`,
  });
}

/** Encodes rights in a key's field, and checks that the field allows the same data accesses. It may allow execution in addition. */
function encodeRights(
  register: PkeyRegister,
  context: ContextName,
  key: PkeyName,
  number: number,
  rights: Rights,
): PkeyValue {
  const field = register.field(number, rights);
  const given = register.rightsOf(field.high, field.low, number, field.fetch);
  const executes = !rights.includes("x") || given.includes("x");
  if (dataRights(given) === dataRights(rights) && executes) return field;
  throw new KpkeysError(
    "ERR_CONTEXT_RIGHTS",
    `${register.name} cannot express '${rights}' on key ${key}: the field allows '${given}'`,
    {
      where: `context ${context}`,
      expected: "rights that the register can express",
    },
  );
}

function dataRights(rights: string): string {
  return rights === "none" ? "" : rights.replace("x", "");
}
