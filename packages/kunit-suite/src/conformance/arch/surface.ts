import type { Cpu, Cpus, Words } from "@kpkeys/core/contracts";
import { pkeyValueOf } from "@kpkeys/core";
import { fromWords } from "@kpkeys/core/machine";
import { Bench } from "../bench.js";
import { checkForm, checkImports, needsFiles } from "../imports.js";
import type { ConformanceRule, ConformanceSubject } from "../rule.js";
import { valueText } from "../text.js";

/** A function that code outside the architecture can call. */
interface Callable {
  readonly name: string;
  readonly call: (...values: readonly unknown[]) => unknown;
}

/** The functions of the contract KpkeysArch, which other rules check. */
const OF_THE_CONTRACT = ["supportsKpkeys", "supportsKpkeysEarly", "enterContext", "leaveContext"];

/** The callable functions of an export: the function itself, or the methods of an object. Plugins have none. */
function callablesOf(name: string, value: unknown, without: readonly string[] = []): Callable[] {
  if (typeof value === "function") return [{ name, call: value as Callable["call"] }];
  if (typeof value !== "object" || value === null || "setup" in value) return [];
  const own = Object.keys(value);
  const inherited = Object.getOwnPropertyNames(Object.getPrototypeOf(value) ?? {});
  return [...new Set([...own, ...inherited])].flatMap((key) => {
    const member: unknown = key === "constructor" || without.includes(key) ? undefined : Reflect.get(value, key);
    if (typeof member !== "function") return [];
    return [
      {
        name: `${name}.${key}`,
        call: (...values: readonly unknown[]) => Reflect.apply(member, value, values) as unknown,
      },
    ];
  });
}

/** Argument lists with a raw value: alone, and after a CPU, the CPUs or a function that returns them. */
function argumentsWith({ high, low }: Words, cpu: Cpu, cpus: Cpus): readonly (readonly unknown[])[] {
  const forms = [[high, low], [low], [high], [fromWords(high, low)], [{ high, low }], [Int32Array.of(high, low), 0]];
  return [[], [cpu], [cpus], [() => cpus]].flatMap((before) => forms.map((form) => [...before, ...form]));
}

/** A value that differs from the current one in the field of every key. */
function otherValue(bench: Bench): Words {
  const { register, keys, cpu } = bench;
  return bench.value(
    keys.map((key) =>
      register.rightsOf(cpu.pkeyRegisterHigh, cpu.pkeyRegisterLow, key).includes("r") ? "none" : "rwx",
    ),
  );
}

/** Calls a function with a raw value in every form. @returns whether the key register of a CPU then has the value */
function writesRawValue(bench: Bench, { call }: Callable): boolean {
  const { cpus, cpu, kpkeys } = bench;
  bench.setRegister(kpkeys.initialValue());
  const wanted = otherValue(bench);
  return argumentsWith(wanted, cpu, cpus).some((values) => {
    bench.setRegister(kpkeys.initialValue());
    try {
      call(...values);
    } catch {
      // The function does not accept these arguments.
    }
    const wrote = (words: Words | undefined): boolean => words?.high === wanted.high && words.low === wanted.low;
    return cpus.all.some((each) => wrote(pkeyValueOf(each)) || wrote(each.fetchRegister));
  });
}

const rawValue: ConformanceRule = {
  id: "surface/raw-value",
  sentence: "no export of the package writes a raw value to the key register: it would be a callable gadget",
  source: "the review of v7 of the series: kpkeys_restore_pkey_reg() takes any value",
  skip: ({ exports }) => (exports === undefined ? "the exports of its package were not passed" : undefined),
  check({ plugin, exports = {} }, report) {
    const bench = new Bench(plugin);
    const surface = [
      ...Object.entries(exports).flatMap(([name, value]) => callablesOf(name, value)),
      ...callablesOf("KpkeysArch", bench.arch, OF_THE_CONTRACT),
    ];
    for (const callable of surface) {
      if (!writesRawValue(bench, callable)) continue;
      report(`${callable.name}() writes its argument ${valueText(otherValue(bench))} to ${bench.register.name}`);
    }
  },
};

const imports: ConformanceRule = {
  id: "surface/imports",
  sentence: "an architecture imports @kpkeys/core and neither the kernel nor a feature nor another architecture",
  source: "CONTRIBUTING.md",
  skip: needsFiles,
  async check({ files }, report) {
    const core = ["@kpkeys/core", "@kpkeys/core/contracts", "@kpkeys/core/machine"];
    await checkImports(files!, core, ["arch", "feature"], report);
  },
};

/** The form of a plugin, a rule of architectures and features. */
export const FORM_RULE: ConformanceRule = {
  id: "plugin/form",
  sentence: "the plugin has an id, a kind, a description, the version of the contracts and a setup()",
  source: "contract Plugin",
  check({ plugin }: ConformanceSubject, report) {
    checkForm(plugin, report);
  },
};

/** Rules of the exports and imports of a package. */
export const SURFACE_RULES: readonly ConformanceRule[] = [rawValue, imports];
