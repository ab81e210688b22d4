import { lazily } from "@kpkeys/core";
import { SetMemory } from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoints } from "@kpkeys/core/contracts";

/**
 * Protection without keys, as in the debugging patches that the discussion of v6's cover letter mentions: a process's PTE tables are
 * removed from the linear map except while their lock is held. Each lock costs two changes of the linear map and an invalidation, and
 * while it is held every CPU can write the table. Tables of upper levels and the kernel's own stay mapped.
 *
 * @param container - the machine's container
 * @param points - its extension points
 */
export function mapLeafTablesWhileLocked(container: DependencyContainer, points: ExtensionPoints): void {
  const setMemory = lazily(container, SetMemory);
  const leafTables = new Set<number>();

  points.on("tablePageCtor", (pfn, level, source) => {
    if (level !== "pte" || source !== "user") return 0;
    leafTables.add(pfn);
    return setMemory().setDirectMapValid(pfn, 1, false);
  });
  points.on("tablePageDtor", (pfn) => {
    if (leafTables.delete(pfn)) setMemory().setDirectMapValid(pfn, 1, true);
  });
  points.on("tableLocked", (pfn) => {
    if (leafTables.has(pfn)) setMemory().setDirectMapValid(pfn, 1, true);
  });
  points.on("tableUnlocking", (pfn) => {
    if (leafTables.has(pfn)) setMemory().setDirectMapValid(pfn, 1, false);
  });
}
