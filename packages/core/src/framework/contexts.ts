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

/** The contexts of a machine: rights by key until compiled, then mask and value. */
export interface Contexts {
  /** Names of the contexts, DEFAULT first. */
  readonly names: readonly ContextName[];
  /**
   * Gives a context its rights. DEFAULT exists from the start and may be given rights of its own once, by a feature whose
   * data must not even be read.
   * @param name - the context
   * @param rights - rights by key
   * @param others - rights on all keys that are not named
   * @throws KpkeysError ERR_CONTEXT_DUPLICATE, ERR_CONTEXT_DEFAULT_PKEY, ERR_CONTEXT_RIGHTS, ERR_PKEY_UNKNOWN
   */
  define(name: ContextName, rights: ContextRights, others?: Rights): void;
  /**
   * The rights of a context on a key.
   * @param context - a context's name
   * @param key - a key's name
   * @throws KpkeysError ERR_CONTEXT_UNKNOWN
   */
  rights(context: ContextName, key: PkeyName): Rights;
  /**
   * Compiles all contexts, once all keys are known.
   * @throws KpkeysError ERR_CONTEXT_RIGHTS for rights that the register cannot express
   */
  compile(): void;
  /**
   * A compiled context.
   * @param name - its name
   * @throws KpkeysError ERR_CONTEXT_UNKNOWN; ERR_INIT_ORDER before {@link compile}
   */
  compiled(name: ContextName): CompiledContext;
}

/**
 * Makes the contexts of one machine: DEFAULT alone, with read, write and execute on key 0 and read on every other key.
 *
 * @param pkeys - the machine's keys
 * @param register - encodes rights
 * @returns the contexts
 */
export function createContexts(pkeys: Pkeys, register: PkeyRegister): Contexts {
  // Names are open types: what the compiler knows here as DEFAULT alone is any string.
  const names: ContextName[] = ["DEFAULT"];
  const rightsOf = new Map<string, Readonly<Record<string, Rights>>>();
  const othersOf = new Map<string, Rights>();
  const compiled = new Map<ContextName, CompiledContext>();

  /** Key 0 is always `rwx`: kernel code is mapped with it, and exception entry and context switch save state through it. */
  function rightsOn(key: string, context: string): Rights {
    if (key === "DEFAULT") return "rwx";
    const given = rightsOf.get(context)?.[key] ?? othersOf.get(context);
    return given ?? (context === "DEFAULT" ? "r" : rightsOn(key, "DEFAULT"));
  }

  function compileOne(name: ContextName): CompiledContext {
    let clear: Words = { high: 0, low: 0 };
    let set: Words = { high: 0, low: 0 };
    for (const [number, key] of pkeys.names) {
      clear = union(clear, register.fieldMask(number));
      set = union(set, expressed(register, name, key, number, rightsOn(key, name)));
    }
    return { name, clear, set };
  }

  function unknown(name: ContextName): KpkeysError {
    return new KpkeysError("ERR_CONTEXT_UNKNOWN", `no plugin has defined the context ${name}`, {
      expected: `one of ${names.join(", ")}`,
    });
  }

  return {
    names,
    define(name, rights, others) {
      if (rightsOf.has(name)) {
        throw new KpkeysError("ERR_CONTEXT_DUPLICATE", `the context ${name} is defined already`, {
          expected: "another name",
        });
      }
      for (const [key, right] of Object.entries(rights)) {
        pkeys.numberOf(key as PkeyName);
        checkRights(name, right, `the key ${key}`);
      }
      if (others !== undefined) checkRights(name, others, "all other keys");
      // A string at run time, whatever the type says.
      const onDefault: string = rights.DEFAULT ?? "rwx";
      if (onDefault !== "rwx") {
        throw new KpkeysError(
          "ERR_CONTEXT_DEFAULT_PKEY",
          `the context ${name} gives '${onDefault}' on the key DEFAULT`,
          {
            expected: "'rwx', or nothing: the kernel runs and saves its state through that key in every context",
          },
        );
      }
      rightsOf.set(name, { ...rights });
      if (others !== undefined) othersOf.set(name, others);
      if (!names.includes(name)) names.push(name);
    },
    rights(context, key) {
      if (!names.includes(context)) throw unknown(context);
      return rightsOn(key, context);
    },
    compile() {
      for (const name of names) compiled.set(name, compileOne(name));
    },
    compiled(name) {
      const context = compiled.get(name);
      if (context !== undefined) return context;
      if (names.includes(name)) {
        throw new KpkeysError("ERR_INIT_ORDER", `the context ${name} is asked for before the contexts are compiled`, {
          expected: "freeze() first",
        });
      }
      throw unknown(name);
    },
  };
}

function checkRights(context: ContextName, rights: Rights, on: string): void {
  if (RIGHTS.includes(rights)) return;
  throw new KpkeysError("ERR_CONTEXT_RIGHTS", `the context ${context} gives '${rights}' on ${on}`, {
    expected: `one of ${RIGHTS.join(", ")}`,
  });
}

/** The bits of both. */
export function union(a: Words, b: Words): Words {
  return { high: a.high | b.high, low: a.low | b.low };
}

/** A key's field, once it is certain that the register reads it as the rights wanted; execution may be more than wanted. */
function expressed(register: PkeyRegister, context: ContextName, key: PkeyName, number: number, rights: Rights): Words {
  const field = register.field(number, rights);
  const given = register.rightsOf(field.high, field.low, number);
  const executes = !rights.includes("x") || given.includes("x");
  if (dataRights(given) === dataRights(rights) && executes) return field;
  throw new KpkeysError(
    "ERR_CONTEXT_RIGHTS",
    `${register.name} cannot express '${rights}' on the key ${key}: it allows '${given}'`,
    {
      where: `context ${context}`,
      expected: "rights that this architecture has",
    },
  );
}

function dataRights(rights: string): string {
  return rights === "none" ? "" : rights.replace("x", "");
}
