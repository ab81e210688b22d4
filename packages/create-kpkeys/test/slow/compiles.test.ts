import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { afterAll, expect, test } from "vitest";
import { createPackage, KINDS } from "../../src/index.js";
import type { Kind } from "../../src/index.js";

const examples = fileURLToPath(new URL("../../../../examples/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "create-kpkeys-slow-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const kinds = Object.keys(KINDS) as Kind[];

/** Names whose identifiers are reserved, or used in the examples. */
const NASTY = [
  ..."await class delete import new package undefined global-this eval require static yield".split(" "),
  ..."plugin token test kpkeys suite state object options id format kpr page-allocator linear-map kpkeys-error".split(
    " ",
  ),
  ..."build-machine define-conformance own files plugin-plugin string number a a1-2b".split(" "),
];

test("a package of any kind compiles under any name", () => {
  symlinkSync(fileURLToPath(new URL("../../../../node_modules", import.meta.url)), join(folder, "node_modules"));
  const made = kinds.flatMap((kind) =>
    NASTY.flatMap((name) => {
      const home = join(folder, "nasty", kind, name);
      return createPackage(home, kind, examples)
        .filter((path) => path.endsWith(".ts"))
        .map((path) => join(home, path));
    }),
  );
  const program = ts.createProgram(made, {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    customConditions: ["@kpkeys/source"],
    strict: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    skipLibCheck: true,
    noEmit: true,
  });
  const found = made.flatMap((path) => {
    const file = program.getSourceFile(path);
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
  });
  expect(found.map(({ file, messageText }) => `${file!.fileName}: ${JSON.stringify(messageText)}`)).toEqual([]);
});
