import { defineConfig } from "vitest/config";
import { projects, resolveSources, workers } from "./vitest.config.js";

// `npm run test:slow`: whole recordings, long properties, commands of the documentation. CI runs them after `npm test`.
export default defineConfig({
  ...resolveSources,
  test: {
    ...workers,
    // Commands are started from here: a process that has built many machines has no room to fork.
    isolate: true,
    testTimeout: 3_600_000,
    hookTimeout: 600_000,
    env: { KPKEYS_FULL_RUNS: "1" },
    projects: projects("test/slow/**/*.test.ts", []),
  },
});
