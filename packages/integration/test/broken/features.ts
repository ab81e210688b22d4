import { provide, resolve } from "@kpkeys/core";
import { Cpus, ExtensionPoints, Kpkeys, PageAllocator, ProtectedObjects } from "@kpkeys/core/contracts";
import type { DependencyContainer, Plugin, PluginOptions } from "@kpkeys/core/contracts";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { after } from "./breaking.js";
import type { Broken } from "./breaking.js";
import { BROKEN_TOYS } from "./objects.js";
import { packageImporting } from "./packages.js";

/** The hardening of page tables with other options than the machine's. */
function withOptions(change: (options: PluginOptions) => PluginOptions): Plugin {
  return {
    ...pgtablesHardening,
    setup(container, options) {
      pgtablesHardening.setup(container, change(options));
    },
  };
}

/** Writes the register's value into it again, past all contexts. */
function writeRegister(container: DependencyContainer): void {
  const { current } = resolve(container, Cpus);
  current.writePkeyRegister(current.pkeyRegisterHigh, current.pkeyRegisterLow);
  current.synchronise();
}

/** The hardening of page tables that does something at each outermost lazy MMU section. */
function atLazySections(act: (container: DependencyContainer) => void): Plugin {
  return after(pgtablesHardening, (container) => {
    resolve(container, ExtensionPoints).on("lazyMmuEnter", () => {
      act(container);
      return 0;
    });
  });
}

let tablesOfAllMachines = 0;

/** Features that are broken, in the order of the rules. */
export const BROKEN_FEATURES: readonly Broken[] = [
  { rule: "plugin/form", how: "its id has a blank", plugin: { ...pgtablesHardening, id: "page tables" } },
  {
    rule: "feature/imports",
    how: "it imports an architecture",
    plugin: pgtablesHardening,
    package: { files: packageImporting("@acme/arch-thing", "arch") },
  },
  {
    rule: "feature/boots",
    how: "it allocates a page in a phase in which none is free",
    plugin: after(pgtablesHardening, (container) => {
      resolve(container, ExtensionPoints).on("initPhase", () => {
        if (resolve(container, PageAllocator).alloc(0) === undefined) throw new Error("no page");
      });
    }),
  },
  { rule: "feature/options", how: "it takes any option", plugin: withOptions(() => ({})) },
  {
    rule: "feature/privilege",
    how: "a context is entered and never left",
    plugin: {
      ...pgtablesHardening,
      setup(container, options) {
        let sections = 0;
        // Attached first, so that it leaves last: when the hardening's own context has been left.
        resolve(container, ExtensionPoints).on("lazyMmuLeave", () => {
          if (++sections % 20 === 0) resolve(container, Kpkeys).enterContext("PGTABLES");
        });
        pgtablesHardening.setup(container, options);
      },
    },
  },
  {
    rule: "feature/deterministic",
    how: "something is kept from machine to machine",
    plugin: after(pgtablesHardening, (container) => {
      resolve(container, ExtensionPoints).on("tablePageAllocated", () => {
        if (++tablesOfAllMachines % 7 === 0) resolve(container, PageAllocator).alloc(0);
        return 0;
      });
    }),
  },
  { rule: "feature/cost", how: "the register is written past all contexts", plugin: atLazySections(writeRegister) },
  {
    rule: "feature/without-pkeys",
    how: "it switches on CPUs that have no keys",
    plugin: atLazySections((container) => {
      if (!resolve(container, Kpkeys).supported()) writeRegister(container);
    }),
  },
  {
    rule: "feature/declares",
    how: "what it protects is in another feature's name",
    plugin: {
      ...pgtablesHardening,
      setup(container, options) {
        const objects = resolve(container, ProtectedObjects);
        provide(container, ProtectedObjects, {
          ...objects,
          declare: (claim) => {
            objects.declare({ ...claim, feature: "another" });
          },
        });
        pgtablesHardening.setup(container, options);
      },
    },
  },
  {
    rule: "feature/exercise",
    how: "its objects appear without a context",
    plugin: BROKEN_TOYS.find(({ rule }) => rule === "feature/exercise")!.plugin,
  },
  {
    rule: "feature/covers",
    how: "static tables are keyed in the linear map alone",
    plugin: withOptions((options) => ({ ...options, staticAliases: "linear" })),
  },
  {
    rule: "feature/suites",
    how: "its own suite fails",
    plugin: after(pgtablesHardening, (container) => {
      resolve(container, ExtensionPoints).addSuite({
        name: "broken",
        cases: [
          {
            name: "one_is_two",
            run(test) {
              test.expectEq(1, 2, "One is not two");
            },
          },
        ],
      });
    }),
  },
];
