import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Tests read the TypeScript sources, never dist: no build first, and coverage is about src.
const conditions = ["@kpkeys/source", "module", "node", "development|production"];
const packages = fileURLToPath(new URL("./packages/", import.meta.url));

/** Where imports of the packages lead. */
export const resolveSources = { resolve: { conditions }, ssr: { resolve: { conditions } } };

/** Projects that start commands: a process that has built many machines has no room to fork, so each file gets a new one. */
const STARTS_COMMANDS = ["cli"];

/** How files are run: modules keep no state that another file's tests could see, so a process loads them once. */
export const workers = { isolate: false, maxWorkers: "100%" };

/**
 * A project for each package.
 * @param include - its test files
 * @param exclude - those of them that are left out
 */
export function projects(include: string, exclude: string[]) {
  return readdirSync(packages).map((name) => ({
    extends: true as const,
    root: packages + name,
    test: { name, include: [include], exclude, ...(STARTS_COMMANDS.includes(name) && { isolate: true }) },
  }));
}

export default defineConfig({
  ...resolveSources,
  test: {
    ...workers,
    passWithNoTests: true,
    // A limit for tests that hang, not for a busy machine.
    hookTimeout: 600_000,
    testTimeout: 600_000,
    projects: projects("test/**/*.test.ts", ["test/slow/**", "test/browser/**"]),
    coverage: {
      provider: "v8",
      include: ["packages/*/src/**/*.ts"],
      reporter: ["text-summary", "lcov", "json-summary"],
      thresholds: { lines: 80, branches: 70 },
    },
  },
});
