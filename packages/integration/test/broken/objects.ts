import { KpkeysError, provide, resolve } from "@kpkeys/core";
import {
  Exceptions,
  ExtensionPoints,
  Kpkeys,
  LinearMap,
  PageAllocator,
  ProtectedObjects,
  SetMemory,
  toPfn,
  token,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { DependencyContainer, KunitSuite, Pfn, Plugin, Token } from "@kpkeys/core/contracts";
import type { Broken } from "./breaking.js";

declare module "@kpkeys/core/contracts" {
  interface KpkeysPkeys {
    /** The page of the toy feature. */
    TOY: true;
  }
  interface KpkeysContexts {
    /** That page is writable. */
    TOY: true;
  }
}

/** The bugs of a toy feature; `secret` is none, but withholds reads of its page. */
type Bug =
  | "secret"
  | "readable secret"
  | "no key"
  | "no suite"
  | "skipped suite"
  | "idle suite"
  | "outside RAM"
  | "unmapped"
  | "second alias"
  | "no context"
  | "unused context"
  | "no exercise"
  | "exercise throws"
  | "setup throws";

/** Makes the page on the first call, and writes it. */
const WriteToy: Token<() => void> = token("WriteToy");

/** A case that must run and pass on every architecture, keyed or not, so that a missing key shows in the kit's own rules. */
const suite: KunitSuite = {
  name: "toy",
  cases: [
    {
      name: "write_toy",
      run(test) {
        test.get(WriteToy)();
        const { objects } = test.get(ProtectedObjects).claims.find(({ feature }) => feature === "toy")!;
        for (const { pfn } of objects!())
          test.get(Exceptions).copyToKernelNofault(test.get(LinearMap).address(pfn), new Uint8Array(8));
      },
    },
  ],
};

/** A suite that makes no access which the key denies: its feature is not judged. */
const idleSuite: KunitSuite = {
  name: "idle_toy",
  cases: [
    {
      name: "one_is_one",
      run(test) {
        test.get(WriteToy)();
        test.expectEq(1, 1, "The writer returns");
      },
    },
  ],
};

/** A suite without a case that runs: its feature is not judged. */
const skippedSuite: KunitSuite = {
  name: "skipped_toy",
  cases: ["first", "second"].map((name) => ({
    name,
    run(test) {
      test.skip("not on this machine");
    },
  })),
};

/** A feature with one page, which the first write makes: it exists only after exercise(). */
function toy(...bugs: readonly Bug[]): Plugin {
  const has = (bug: Bug): boolean => bugs.includes(bug);
  return {
    id: "toy",
    kind: "feature",
    description: "a page that only its writer can write",
    contract: 2,
    setup(container, options) {
      if (has("setup throws")) throw new Error("no luck");
      if (Object.keys(options).length > 0) throw unknownOption();
      const kpkeys = resolve(container, Kpkeys);
      const pkey = kpkeys.registerPkey("TOY", has("secret") ? { default: "none" } : {});
      kpkeys.defineContext("TOY", { TOY: "rw" });
      const guard = has("no context") ? kpkeys.guardNoop() : kpkeys.guard("TOY");
      const withholds = has("secret") || has("readable secret") ? "read-write" : "write";
      let pfn: Pfn | undefined;
      provide(container, WriteToy, () => {
        pfn ??= makePage(container, has);
        const state = guard.enter();
        if (has("unused context")) {
          guard.exit(state);
          return;
        }
        resolve(container, Exceptions).copyToKernelNofault(
          resolve(container, LinearMap).address(pfn),
          new Uint8Array(8),
        );
        guard.exit(state);
      });
      if (!has("no suite")) resolve(container, ExtensionPoints).addSuite(suiteOf(has));
      resolve(container, ProtectedObjects).declare({
        feature: "toy",
        objects: () => {
          if (pfn === undefined) return [];
          const declared = has("outside RAM") ? toPfn(2 ** 30) : pfn;
          return [{ pfn: declared, offset: 0, size: 8, pkey, source: "toy page", withholds }];
        },
      });
    },
    ...(!has("no exercise") && {
      exercise(machine) {
        if (has("exercise throws")) throw new Error("no luck");
        machine.get(WriteToy)();
      },
    }),
  };
}

function suiteOf(has: (bug: Bug) => boolean): KunitSuite {
  if (has("skipped suite")) return skippedSuite;
  return has("idle suite") ? idleSuite : suite;
}

/** Allocates the page, with the key and the mappings that it should not have. */
function makePage(container: DependencyContainer, has: (bug: Bug) => boolean): Pfn {
  const pfn = resolve(container, PageAllocator).alloc(0)!;
  const page = resolve(container, LinearMap).pageOf(pfn);
  const pkey = resolve(container, Kpkeys).pkey("TOY");
  if (!has("no key")) resolve(container, SetMemory).setMemoryPkey(page, 1, pkey);
  if (has("unmapped")) resolve(container, SetMemory).setMemoryValid(page, 1, false);
  if (has("second alias")) resolve(container, Vmalloc).mapRam([pfn]);
  return pfn;
}

function unknownOption(): KpkeysError {
  return new KpkeysError("ERR_SPEC", "unknown option", { where: "plugin 'toy'", expected: "no options" });
}

/** Toy features that keep every rule. */
export const GOOD_TOYS: readonly Plugin[] = [toy(), toy("secret")];

/** Toy features with one bug each. The rule fails, and no other one. */
export const BROKEN_TOYS: readonly Broken[] = [
  { rule: "feature/boots", how: "its setup throws", plugin: toy("setup throws"), names: "no luck" },
  {
    rule: "feature/boots",
    how: "its exercise throws",
    plugin: toy("exercise throws"),
    names: "exercise() throws: no luck",
  },
  { rule: "feature/declares", how: "no object ever exists", plugin: toy("no exercise"), names: "no object of 'toy'" },
  {
    rule: "feature/exercise",
    how: "its objects appear without a context",
    plugin: toy("no context"),
    names: "toy page",
  },
  {
    rule: "feature/exercise",
    how: "its writer enters the context and stores nothing in it",
    plugin: toy("unused context"),
    names: "stores nothing in the context",
  },
  {
    rule: "feature/covers",
    how: "it never sets its key",
    plugin: toy("no key"),
    names: "toy page are open in the linear mapping for writes",
  },
  {
    rule: "feature/covers",
    how: "it leaves a second alias without the key",
    plugin: toy("second alias"),
    names: "toy page are open in the other mapping for writes",
  },
  {
    rule: "feature/covers",
    how: "it leaves a secret readable by default",
    plugin: toy("readable secret"),
    names: "toy page are open in the linear mapping for reads",
  },
  {
    rule: "feature/declares",
    how: "it declares an object outside RAM",
    plugin: toy("outside RAM"),
    names: "page frame",
  },
  {
    rule: "feature/covers",
    how: "it declares an object that no mapping reaches",
    plugin: toy("unmapped"),
    names: "no mapping of a toy page",
  },
  {
    rule: "feature/suites",
    how: "its suite makes no access that its key denies",
    plugin: toy("idle suite"),
    status: "not judged",
    names: "no case makes an access",
  },
  {
    rule: "feature/suites",
    how: "it has no suite",
    plugin: toy("no suite"),
    status: "not judged",
    names: "adds no suite",
  },
  {
    rule: "feature/suites",
    how: "every case of its suite is skipped",
    plugin: toy("skipped suite"),
    status: "not judged",
    names: "every case of skipped_toy is skipped",
  },
];
