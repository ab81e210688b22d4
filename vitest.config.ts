import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Tests read the TypeScript sources, never dist: no build first, and coverage is about src.
const conditions = ["@kpkeys/source", "module", "node", "development|production"];
const packages = fileURLToPath(new URL("./packages/", import.meta.url));

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    passWithNoTests: true,
    testTimeout: 30_000,
    projects: readdirSync(packages).map((name) => ({
      extends: true as const,
      root: packages + name,
      test: { name, include: ["test/**/*.test.ts"] },
    })),
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**/*.ts"],
      reporter: ["text-summary", "lcov", "json-summary"],
      thresholds: { lines: 80, branches: 70 },
    },
  },
});
