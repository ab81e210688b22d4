import { KpkeysError } from "@kpkeys/core";
import type { KunitOptions, PluginOptions } from "@kpkeys/core/contracts";
import { readPolicies } from "./policies.js";
import type { KernelPolicies } from "./policies.js";

/** A run of RAM in a {@link MachineSpec}. */
export interface BankSpec {
  /** Physical address of its first byte, a multiple of 4 MiB; the architecture's usual place if left out. */
  readonly start?: number;
  /** Bytes, a multiple of 4 MiB. */
  readonly bytes: number;
}

/**
 * Everything that makes a machine, as plain JSON: the command's flags, worker threads, replay strings and digests all speak it.
 * Two machines of equal specifications behave the same.
 */
export interface MachineSpec {
  /** Id of the architecture plugin: `arm64-poe`, `x86-pks`. */
  readonly arch: string;
  /** Ids of the feature plugins. */
  readonly features: readonly string[];
  /** Options of plugins by plugin id: the policies of a version of the series. */
  readonly options: Readonly<Record<string, PluginOptions>>;
  /** The physical memory map, ascending. */
  readonly memory: readonly BankSpec[];
  /** Number of CPUs, 1 to 64. */
  readonly cpus: number;
  /** Kernel command-line parameters. */
  readonly boot: {
    /**
     * `rodata=`: whether `mark_rodata_ro` makes text and rodata read-only; `full` also makes what `set_memory_ro` makes read-only so
     * in the linear map, which can then be changed page by page.
     */
    readonly rodata: "full" | "on" | "off";
    /**
     * `kpkeys=`: whether the kernel uses the CPU's kernel pkeys at all, and whether the first write that a feature's key denies it is
     * an oops (`enforced`) or warns once and opens the key everywhere (`soft`), as Edgecombe's "PKS write protected page tables"
     * had it. Default `enforced`.
     */
    readonly kpkeys?: "off" | "soft" | "enforced";
  };
  /** What the kernel itself does, where versions of the series differ. */
  readonly kernel?: KernelPolicies;
  /**
   * `.config` lines, `CONFIG_X=y` and `# CONFIG_X is not set`: what the plugins do not say by being there. Where they say nothing of
   * CONFIG_KUNIT it is on, with the tests that come along with the plugins.
   */
  readonly config?: readonly string[];
  /** Options of KUnit suites, by suite: the form that each has in a version of the series. */
  readonly kunit?: KunitOptions;
  /**
   * Whether an access whose outcome depends on a key-register write that is not yet synchronised is an error; else it is
   * counted. For finding a forgotten barrier.
   */
  readonly strict: boolean;
  /**
   * Seed of all that is random in the machine: which translation of a full set a TLB with random replacement drops, unless the option
   * `tlb` has a seed. A whole number.
   */
  readonly seed: number;
}

/** Bytes that a bank starts and ends at multiples of: the buddy allocator's largest block. */
export const BANK_ALIGNMENT: number = 4 * 1024 * 1024;

/** The least RAM that a machine boots with, in bytes. */
export const MINIMUM_MEMORY: number = 64 * 1024 * 1024;

/** A specification with everything at its usual value: one CPU, 4 GiB, no feature. */
export const DEFAULT_SPEC: Omit<MachineSpec, "arch"> = {
  features: [],
  options: {},
  memory: [{ bytes: 4 * 1024 * 1024 * 1024 }],
  cpus: 1,
  boot: { rodata: "full" },
  strict: false,
  seed: 1,
};

/**
 * Checks a specification's values, apart from the plugins that it names.
 * @param spec - the specification
 * @throws KpkeysError ERR_SPEC for an impossible value, ERR_OUT_OF_MEMORY for too little memory
 */
export function checkSpec(spec: MachineSpec): void {
  checkForm(spec);
  readPolicies(spec.kernel);
  checkBoot(spec.boot);
  if (!Number.isInteger(spec.cpus) || spec.cpus < 1 || spec.cpus > 64) {
    throw new KpkeysError("ERR_SPEC", `${spec.cpus} CPUs`, { where: "cpus", expected: "1 to 64" });
  }
  if (spec.memory.length === 0)
    throw new KpkeysError("ERR_SPEC", "no bank", { where: "memory", expected: "at least one" });
  let end = 0;
  let bytes = 0;
  spec.memory.forEach((bank, number) => {
    const where = `memory bank ${number}`;
    const start = bank.start ?? end;
    for (const value of [start, bank.bytes]) {
      if (!Number.isSafeInteger(value) || value < 0 || value % BANK_ALIGNMENT !== 0) {
        throw new KpkeysError("ERR_SPEC", `${shown(value)} bytes`, { where, expected: "a multiple of 4 MiB" });
      }
    }
    if (start < end)
      throw new KpkeysError("ERR_SPEC", "banks overlap or descend", { where, expected: "ascending banks" });
    end = start + bank.bytes;
    bytes += bank.bytes;
  });
  if (bytes < MINIMUM_MEMORY) {
    throw new KpkeysError("ERR_OUT_OF_MEMORY", `${bytes / 1024 / 1024} MiB of memory`, {
      where: "memory",
      expected: "at least 64 MiB",
    });
  }
}

/** A form that a field can have. */
interface Form {
  /** In words. */
  readonly words: string;
  /** Whether a value has it. */
  readonly has: (value: unknown) => boolean;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): boolean => typeof value === "string";
const every =
  (has: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    Array.isArray(value) && value.every(has);
const optional = ({ words, has }: Form): Form => ({
  words: `${words}, or nothing`,
  has: (value) => value === undefined || has(value),
});

const TEXT: Form = { words: "a string", has: isText };
const TEXTS: Form = { words: "a list of strings", has: every(isText) };
const OBJECT: Form = { words: "an object", has: isObject };
const OBJECTS: Form = {
  words: "an object of objects",
  has: (value) => isObject(value) && Object.values(value).every((each) => each === undefined || isObject(each)),
};

/** The forms of all fields: a specification may come from JSON, or from a program without types. */
const FORMS: { readonly [Field in keyof Required<MachineSpec>]: Form } = {
  arch: TEXT,
  features: TEXTS,
  options: OBJECTS,
  memory: { words: "a list of banks", has: every(isObject) },
  cpus: { words: "a number", has: (value) => typeof value === "number" },
  boot: OBJECT,
  kernel: optional(OBJECT),
  config: optional(TEXTS),
  kunit: optional(OBJECTS),
  strict: { words: "true or false", has: (value) => typeof value === "boolean" },
  seed: { words: "a whole number", has: Number.isSafeInteger },
};

function checkForm(spec: unknown): void {
  if (!isObject(spec)) throw new KpkeysError("ERR_SPEC", "it is no object", { where: "the specification" });
  for (const [field, { words, has }] of Object.entries(FORMS)) {
    if (has(spec[field])) continue;
    throw new KpkeysError("ERR_SPEC", `it is ${shown(spec[field])}`, { where: field, expected: words });
  }
}

/** A value of any kind in a few words. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list with something else in it";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  return ["number", "boolean", "undefined"].includes(typeof value) || value === null ? String(value) : typeof value;
}

/** Refuses kernel parameters with values that they cannot have. */
function checkBoot({ rodata, kpkeys = "enforced" }: MachineSpec["boot"]): void {
  const check = (name: string, value: string, known: readonly string[]): void => {
    if (known.includes(value)) return;
    throw new KpkeysError("ERR_SPEC", `${name}=${isText(value) ? value : shown(value)}`, {
      where: "boot",
      expected: known.join(", "),
    });
  };
  check("rodata", rodata, ["full", "on", "off"]);
  check("kpkeys", kpkeys, ["off", "soft", "enforced"]);
}
