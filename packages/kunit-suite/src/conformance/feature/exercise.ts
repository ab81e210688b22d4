import { Kpkeys, Observers, ProtectedObjects } from "@kpkeys/core/contracts";
import type { ContextName, Pkey, ProtectedObject } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
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
 * The rule about objects that only exercise() makes. A feature could declare them where no writer ever wrote: only an entered context
 * shows that the writer exists.
 */
export const EXERCISE_RULE: ConformanceRule = {
  id: "feature/exercise",
  sentence: "an object that only exercise() makes is made while a context that gives write on its key is entered",
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
    for (const [place, { pkey }] of after) {
      if (before.has(place) || opens(machine.get(Kpkeys), entered, pkey)) continue;
      const contexts = entered.size === 0 ? "none" : [...entered].join(", ");
      report(`exercise() makes ${place} and enters no context that gives write on key ${pkey}; entered: ${contexts}`);
    }
  }),
};
