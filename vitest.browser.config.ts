import { defineConfig } from "vitest/config";
import { resolveSources } from "./vitest.config.js";

// `npm run test:browser`: the packages in Chromium, as they are built. CI runs it after the slow tests.
export default defineConfig({
  ...resolveSources,
  test: {
    root: "packages/integration",
    include: ["test/browser/**/*.test.ts"],
    testTimeout: 600_000,
    hookTimeout: 600_000,
  },
});
