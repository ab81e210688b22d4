import { FaultKind, Kpkeys, KpkeysArch, Observers, ProtectedObjects } from "@kpkeys/core/contracts";
import type { ContextName, Pkey, ProtectedObject } from "@kpkeys/core/contracts";
import type { Machine, ScannedObject } from "@kpkeys/kernel";
import type { ConformanceRule } from "../rule.js";
import { exercise, onEachArch } from "./each-arch.js";

/** The objects of a feature by place and kind. */
function objectsOf(machine: Machine, feature: string): ReadonlyMap<string, ProtectedObject> {
  const claims = machine.get(ProtectedObjects).claims.filter((claim) => claim.feature === feature);
  const objects = claims.flatMap((claim) => [...(claim.objects?.() ?? [])]);
  return new Map(
    objects.map((object) => [`${object.source} in page ${object.pfn} at offset ${object.offset}`, object]),
  );
}

/** Whether a mapping of an object has its key. */
export function isKeyed({ aliases, pkey }: ScannedObject): boolean {
  return aliases.some((alias) => alias.pkey === pkey);
}

/** The contexts that were entered while exercise() ran. */
function contextsEntered(machine: Machine, run: () => void): ReadonlySet<ContextName> {
  const entered = new Set<ContextName>();
  const detach = machine.get(Observers).attach({
    context: (_cpu, context) => {
      if (context !== undefined) entered.add(context);
    },
  });
  try {
    run();
  } finally {
    detach();
  }
  return entered;
}

/** Whether one of the contexts gives write on a key. */
function opens(kpkeys: Kpkeys, contexts: ReadonlySet<ContextName>, pkey: Pkey): boolean {
  const name = kpkeys.pkeyNames.get(pkey);
  return name !== undefined && [...contexts].some((context) => kpkeys.rights(context, name).includes("w"));
}

/**
 * Runs exercise() with the contexts that give write on some keys closed: entering one of them changes nothing.
 * @returns the keys that then denied an access. A writer that stores in its context is denied; entering a context alone is not
 */
function keysDenied(machine: Machine, keys: Iterable<Pkey>, run: () => void): ReadonlySet<number> {
  const kpkeys = machine.get(Kpkeys);
  const closed = new Set(
    kpkeys.contextNames.filter((context) => [...keys].some((key) => opens(kpkeys, new Set([context]), key))),
  );
  const arch = machine.get(KpkeysArch);
  const enter = arch.enterContext.bind(arch);
  arch.enterContext = (context, saved, slot) => !closed.has(context.name) && enter(context, saved, slot);
  const denied = new Set<number>();
  const detach = machine.get(Observers).attach({
    fault: (_cpu, { kind, pkey }) => {
      if (kind === FaultKind.PKEY) denied.add(pkey);
    },
  });
  try {
    run();
  } catch {
    // A store of the kernel that is denied is a fault of the kernel. The fault itself is what counts.
  } finally {
    detach();
  }
  return denied;
}

/**
 * The rule about objects that only exercise() makes. A feature could declare them where no writer ever wrote: only an entered context
 * shows that the writer exists.
 */
export const EXERCISE_RULE: ConformanceRule = {
  id: "feature/exercise",
  sentence:
    "an object that only exercise() makes is written in a context that gives write on its key: exercise() is denied an access if the context opens nothing",
  source: "contract Plugin.exercise",
  ...onEachArch(({ boot, plugin }, report, notJudged) => {
    const machine = boot();
    const before = objectsOf(machine, plugin.id);
    const entered = contextsEntered(machine, () => {
      exercise(plugin, machine);
    });
    const after = objectsOf(machine, plugin.id);
    const hasTables = machine
      .get(ProtectedObjects)
      .claims.some(({ feature, tablePkey }) => feature === plugin.id && tablePkey !== undefined);
    if (after.size === 0 && !hasTables) notJudged(`'${plugin.id}' protects no table page and no object`);
    const made = [...after].filter(([place]) => !before.has(place));
    const other = boot();
    const keys = new Set(made.map(([, { pkey }]) => pkey));
    const denied = keysDenied(other, keys, () => {
      exercise(plugin, other);
    });
    const keyed = new Set(
      machine
        .scanObjects()
        .filter(isKeyed)
        .map(({ pfn }) => pfn),
    );
    for (const [place, { pfn, pkey }] of made) {
      if (opens(machine.get(Kpkeys), entered, pkey)) {
        // Without the key nothing is denied: feature/covers reports such an object.
        if (keyed.has(pfn) && !denied.has(pkey))
          report(`exercise() makes ${place} and stores nothing in the context that gives write on key ${pkey}`);
        continue;
      }
      const contexts = entered.size === 0 ? "none" : [...entered].join(", ");
      report(`exercise() makes ${place} and enters no context that gives write on key ${pkey}; entered: ${contexts}`);
    }
  }),
};
