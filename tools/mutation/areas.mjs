/** What can be mutated: the sources of an area, and the package whose tests judge it. */
export const AREAS = {
  "kernel/mm": { sources: "packages/kernel/src/mm", project: "packages/kernel" },
  "kernel/process": { sources: "packages/kernel/src/process", project: "packages/kernel" },
  "workloads/replay": { sources: "packages/workloads/src/replay", project: "packages/workloads" },
};
