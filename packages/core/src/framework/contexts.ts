import type {
  CompiledContext,
  ContextName,
  ContextRights,
  PkeyName,
  PkeyRegister,
  Rights,
  Words,
} from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import type { Pkeys } from "./pkeys.js";

const RIGHTS: readonly Rights[] = ["none", "r", "rw", "rx", "rwx"];

/**
 * The contexts of a machine: rights by key, which {@link Contexts.compile} turns into mask and value. DEFAULT exists from the start,
 * with read, write and execute on key 0 and read on all other keys.
 */
export class Contexts {
  /** Names of the contexts, DEFAULT first. */
  readonly names: ContextName[] = ["DEFAULT"];
  // Names are open types: only DEFAULT is known when this file is compiled, so the keys are strings.
  private readonly rightsByContext = new Map<string, Readonly<Record<string, Rights>>>();
  private readonly othersByContext = new Map<string, Rights>();
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
   * Defines the rights of a context. DEFAULT can be defined once, by a feature that denies reads.
   * @param name - the context
   * @param rights - rights by key
   * @param otherKeys - rights on all keys that are not named
   * @throws KpkeysError ERR_CONTEXT_DUPLICATE, ERR_CONTEXT_DEFAULT_PKEY, ERR_CONTEXT_RIGHTS, ERR_PKEY_UNKNOWN
   */
  define(name: ContextName, rights: ContextRights, otherKeys?: Rights): void {
    if (this.rightsByContext.has(name)) {
      throw new KpkeysError("ERR_CONTEXT_DUPLICATE", `cannot define context ${name}: it is defined already`, {
        advice: "choose another name",
      });
    }
    for (const [key, right] of Object.entries(rights)) {
      this.pkeys.numberOf(key as PkeyName);
      checkRights(name, right, `key ${key}`);
    }
    if (otherKeys !== undefined) checkRights(name, otherKeys, "all other keys");
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
    this.rightsByContext.set(name, { ...rights });
    if (otherKeys !== undefined) this.othersByContext.set(name, otherKeys);
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
    return this.rightsOn(key, context);
  }

  /**
   * Compiles all contexts, once all keys are known.
   * @throws KpkeysError ERR_CONTEXT_RIGHTS for rights that the register cannot express
   */
  compile(): void {
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

  /** Key 0 always has `rwx`: kernel code is mapped with it, and exception entry and context switch save state through it. */
  private rightsOn(key: string, context: string): Rights {
    if (key === "DEFAULT") return "rwx";
    const given = this.rightsByContext.get(context)?.[key] ?? this.othersByContext.get(context);
    return given ?? (context === "DEFAULT" ? "r" : this.rightsOn(key, "DEFAULT"));
  }

  private compileOne(name: ContextName): CompiledContext {
    let clear: Words = { high: 0, low: 0 };
    let set: Words = { high: 0, low: 0 };
    for (const [number, key] of this.pkeys.names) {
      clear = orWords(clear, this.register.fieldMask(number));
      set = orWords(set, encodeRights(this.register, name, key, number, this.rightsOn(key, name)));
    }
    return { name, clear, set };
  }

  private unknown(name: ContextName): KpkeysError {
    return new KpkeysError("ERR_CONTEXT_UNKNOWN", `unknown context ${name}`, {
      expected: `one of ${this.names.join(", ")}`,
    });
  }
}

function checkRights(context: ContextName, rights: Rights, on: string): void {
  if (RIGHTS.includes(rights)) return;
  throw new KpkeysError("ERR_CONTEXT_RIGHTS", `cannot define context ${context}: it gives '${rights}' on ${on}`, {
    expected: `one of ${RIGHTS.join(", ")}`,
  });
}

/** The bitwise OR of two 64-bit values. */
export function orWords(a: Words, b: Words): Words {
  return { high: a.high | b.high, low: a.low | b.low };
}

/** Encodes rights in a key's field, and checks that the field allows the same data accesses. It may allow execution in addition. */
function encodeRights(
  register: PkeyRegister,
  context: ContextName,
  key: PkeyName,
  number: number,
  rights: Rights,
): Words {
  const field = register.field(number, rights);
  const given = register.rightsOf(field.high, field.low, number);
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
