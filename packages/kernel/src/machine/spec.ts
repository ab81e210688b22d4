import { KpkeysError } from "@kpkeys/core";
import type { KunitOptions, PluginOptions } from "@kpkeys/core/contracts";
import { readPolicies } from "./policies.js";
import type { KernelPolicies } from "./policies.js";

/** A run of RAM in a {@link MachineSpec}. */
export interface BankSpec {
  /**
   * Physical address of its first byte, a multiple of 4 MiB. Default: the end of the previous bank; for the first bank the start of RAM
   * of the architecture.
   */
  readonly start?: number;
  /** Size in bytes, a multiple of 4 MiB. */
  readonly bytes: number;
}

/**
 * The complete specification of a machine as plain JSON. Two machines with equal specifications behave the same.
 */
export interface MachineSpec {
  /** Id of the architecture plugin: `arm64-poe`, `x86-pks`. */
  readonly arch: string;
  /** Ids of the feature plugins. */
  readonly features: readonly string[];
  /** Options of plugins by plugin id, such as the policies of a version of the series. */
  readonly options: Readonly<Record<string, PluginOptions>>;
  /** The physical memory map, ascending. */
  readonly memory: readonly BankSpec[];
  /** Number of CPUs, 1 to 64. */
  readonly cpus: number;
  /** Kernel command-line parameters. */
  readonly boot: {
    /**
     * `rodata=`: `off` leaves text and rodata writable. With `full`, `set_memory_ro` also changes the linear mapping of its pages, and
     * the `set_direct_map` family takes effect.
     */
    readonly rodata: "full" | "on" | "off";
    /**
     * `kpkeys=`: `off` disables the CPU's kernel pkeys. With `enforced`, the first write that a feature's key denies is an oops. With
     * `soft`, it warns once and grants access to the key everywhere, as in Edgecombe's "PKS write protected page tables". Default
     * `enforced`.
     */
    readonly kpkeys?: "off" | "soft" | "enforced";
  };
  /** Policies of the kernel that differ between versions of the series. */
  readonly kernel?: KernelPolicies;
  /**
   * `.config` lines: `CONFIG_X=y`, `# CONFIG_X is not set`. If they do not set CONFIG_KUNIT, it is on, with the tests of the machine's
   * plugins.
   */
  readonly config?: readonly string[];
  /** Options of KUnit suites by suite, such as the version of the series. */
  readonly kunit?: KunitOptions;
  /**
   * Whether an access that depends on an unsynchronised key-register write throws ERR_UNSYNCHRONISED. If false, it is only counted. Use
   * it to find a missing barrier.
   */
  readonly strict: boolean;
  /**
   * Seed of the machine's random choices, a safe integer: the kernel's random numbers, and the entry that a TLB with random replacement
   * evicts. For the TLB, a seed in the architecture's option `tlb` has precedence.
   */
  readonly seed: number;
}

/** Alignment of the start and size of a bank in bytes: the buddy allocator's largest block with 4 KiB pages. */
export const BANK_ALIGNMENT: number = 4 * 1024 * 1024;

/** The default specification: one CPU, 4 GiB of RAM, no feature. */
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
 * Checks the values of a specification. Does not check the plugins that it names.
 * @param spec - the specification
 * @throws KpkeysError ERR_SPEC for an invalid value
 */
export function checkSpec(spec: MachineSpec): void {
  checkForm(spec);
  readPolicies(spec.kernel);
  checkBoot(spec.boot);
  if (!Number.isInteger(spec.cpus) || spec.cpus < 1 || spec.cpus > 64) {
    throw new KpkeysError("ERR_SPEC", `cannot build a machine with ${spec.cpus} CPUs`, {
      where: "cpus",
      expected: "1 to 64",
    });
  }
  if (spec.memory.length === 0)
    throw new KpkeysError("ERR_SPEC", "the memory map has no bank", { where: "memory", expected: "at least one bank" });
  let end = 0;
  spec.memory.forEach((bank, number) => {
    const where = `memory bank ${number}`;
    const start = bank.start ?? end;
    for (const [name, value, least] of [
      ["start", start, 0],
      ["bytes", bank.bytes, BANK_ALIGNMENT],
    ] as const) {
      if (!Number.isSafeInteger(value) || value < least || value % BANK_ALIGNMENT !== 0) {
        throw new KpkeysError("ERR_SPEC", `${name} is ${shown(value)}`, {
          where,
          expected: "a multiple of 4 MiB",
        });
      }
    }
    if (start < end)
      throw new KpkeysError("ERR_SPEC", "the bank starts below the end of the previous bank", {
        where,
        expected: "ascending banks",
      });
    end = start + bank.bytes;
  });
}

/** The type of a field. */
interface Form {
  /** Description for error messages. */
  readonly words: string;
  /** Whether a value has the type. */
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

/** The types of all fields, checked at run time because a specification may come from JSON. */
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
  if (!isObject(spec))
    throw new KpkeysError("ERR_SPEC", "the specification is not an object", { expected: "an object" });
  for (const [field, { words, has }] of Object.entries(FORMS)) {
    if (has(spec[field])) continue;
    throw new KpkeysError("ERR_SPEC", `the field is ${shown(spec[field])}`, { where: field, expected: words });
  }
}

/** A short description of a value of any type. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list with a wrong element";
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  return ["number", "boolean", "undefined"].includes(typeof value) || value === null ? String(value) : typeof value;
}

/** Checks the kernel parameters. */
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
