/** The areas that can be mutated: sources, the package whose tests judge them, and the test files, if not all. */
export const AREAS = {
  "kernel/mm": { sources: "packages/kernel/src/mm", project: "packages/kernel" },
  "kernel/process": { sources: "packages/kernel/src/process", project: "packages/kernel" },
  "workloads/replay": {
    sources: "packages/workloads/src/replay",
    project: "packages/workloads",
    // Tests of the readers replay nothing, and take long.
    tests: ["test/replay/**/*.test.ts", "test/{replay,agreement,extent,lacks,sample}.test.ts"],
  },
};
