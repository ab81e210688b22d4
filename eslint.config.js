import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

/** The modules that each package may import besides Node's modules and its own files, as patterns over whole module names. */
const MAY_IMPORT = {
  core: ["tsyringe", "reflect-metadata"],
  "arch-*": ["@kpkeys/core/(contracts|machine)", "@kpkeys/core"],
  kernel: ["@kpkeys/core(/.+)?"],
  "{pgtables,cred,bpf}-hardening": ["@kpkeys/core(/contracts)?"],
  "secret-keys": ["@kpkeys/core(/contracts)?"],
  "{scenarios,workloads}": ["@kpkeys/(core|kernel)(/.+)?"],
  "kunit-suite": ["@kpkeys/(core|kernel|scenarios)(/.+)?", "@kpkeys/explain"],
  explain: ["@kpkeys/core(/.+)?"],
  cli: ["@kpkeys/.+"],
  "create-kpkeys": ["@kpkeys/core"],
  integration: ["@kpkeys/.+", "kpkeys"],
};

/** The only names that an architecture takes from core's first entry: errors and injection, nothing of the framework. */
const ARCH_MAY_NAME = [
  "KpkeysError",
  "ErrorCode",
  "ErrorDetails",
  "inject",
  "injectAll",
  "injectable",
  "createContainer",
  "instanceCachingFactory",
  "lazily",
  "provide",
  "registerArch",
  "resolve",
  "DependencyContainer",
];

/** Within core the three entries are apart: framework and machine import contracts, never each other. */
const CORE_MAY_NOT = {
  contracts: "framework|machine|index",
  framework: "machine|index",
  machine: "framework|index",
};

/** Globals that no package for the browser uses. oxlint.json rejects Node.js modules in the same files. */
const NODE_GLOBALS = ["process", "Buffer", "global", "setImmediate", "clearImmediate", "require", "module"];
const BROWSER = "packages/{core,arch-*,kernel,*-hardening,scenarios,workloads,explain,kunit-suite}/src/**/*.ts";
const NODE_ONLY = ["packages/*/src/node/**/*.ts", "packages/workloads/src/{package-files,reader-thread}.ts"];

const CONTAINER_MESSAGE = "only @kpkeys/core knows the container: take inject, injectable and the rest from there";
const TABLE_MESSAGE = "the import table of CONTRIBUTING.md does not allow this package here";

/** A plugin's contract as a literal: the constant would agree with every version. */
const LITERAL_CONTRACT = {
  selector: "Property[key.name='contract'] > Identifier.value[name='CONTRACT_VERSION']",
  message: "write the number that the plugin was written against: the constant agrees with every version",
};

/** @returns rules against modules whose name matches, in import, export from, import() and import types alike. */
function forbid(groups, paths = []) {
  const dynamic = groups.flatMap(({ regex, message }) => {
    const literal = `Literal[value=/${regex.replaceAll("/", "\\/")}/]`;
    return [`ImportExpression > ${literal}`, `TSImportType ${literal}`].map((selector) => ({ selector, message }));
  });
  return {
    "no-restricted-imports": ["error", { patterns: groups, paths }],
    "no-restricted-syntax": ["error", LITERAL_CONTRACT, ...dynamic],
  };
}

/** @returns the patterns that hold a package to its row of the table. */
function row(allowed) {
  const containers = allowed.includes("tsyringe")
    ? []
    : [{ regex: "^(tsyringe|reflect-metadata)(/|$)", message: CONTAINER_MESSAGE }];
  return [
    { regex: `^(?!(${allowed.join("|")})$)(@kpkeys/|kpkeys(/|$))`, message: TABLE_MESSAGE },
    { regex: "^(\\.\\./)+[^./][^/]*/(src|dist)(/|$)", message: "another package is imported by its name" },
    ...containers,
  ];
}

export default defineConfig(
  globalIgnores(["**/dist/", "packages/create-kpkeys/templates/", "docs/api/", ".nx/", "coverage/"]),
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-extraneous-class": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-non-null-assertion": "off",
      "no-restricted-syntax": ["error", LITERAL_CONTRACT],
    },
  },
  {
    files: ["{packages,examples}/*/src/**/*.ts"],
    rules: {
      complexity: ["error", 15],
      "max-lines-per-function": ["error", { max: 80, skipComments: true, skipBlankLines: true }],
    },
  },
  {
    files: [BROWSER],
    ignores: NODE_ONLY,
    rules: { "no-restricted-globals": ["error", { globals: NODE_GLOBALS, checkGlobalObject: true }] },
  },
  Object.entries(MAY_IMPORT).map(([packages, allowed]) => ({
    files: [`packages/${packages}/{src,test}/**/*.ts`],
    rules: forbid(
      row(allowed),
      packages === "arch-*"
        ? [
            {
              name: "@kpkeys/core",
              allowImportNames: ARCH_MAY_NAME,
              message: "an architecture knows contracts and machine",
            },
          ]
        : [],
    ),
  })),
  {
    files: ["bench/src/**/*.ts"],
    rules: forbid([
      ...row(["@kpkeys/.+"]),
      { regex: "^(\\.\\./)+packages/", message: "a package is imported by its name" },
    ]),
  },
  Object.entries(CORE_MAY_NOT).map(([entry, others]) => ({
    files: [`packages/core/src/${entry}/**/*.ts`],
    rules: forbid([
      ...row(MAY_IMPORT.core),
      { regex: `^(\\.\\./)+(${others})(/|\\.js$)`, message: "core's framework and machine meet in contracts only" },
    ]),
  })),
  {
    files: ["**/*.mjs"],
    languageOptions: {
      globals: { process: "readonly", console: "readonly", fetch: "readonly", setTimeout: "readonly", URL: "readonly" },
    },
  },
);
