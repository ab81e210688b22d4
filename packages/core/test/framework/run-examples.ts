import { readFileSync } from "node:fs";
import { format } from "node:util";
import { compileFunction } from "node:vm";
import ts from "typescript";

/** A fenced block of TypeScript in a text. */
export interface Example {
  /** File and line of its fence. */
  readonly where: string;
  /** Its code. */
  readonly code: string;
}

/**
 * Finds the examples of a file: fences marked `ts`, in Markdown or in doc comments.
 * @param path - path of the file
 */
export function examplesOf(path: string): Example[] {
  const text = readFileSync(path, "utf8").replaceAll(/^ *\* ?/gm, (stars) => (path.endsWith(".md") ? stars : ""));
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => ({
    where: `${path}:${text.slice(0, match.index).split("\n").length}`,
    code: match[1]!,
  }));
}

/**
 * Runs an example, which may await at its top level, with the modules given, and collects what it prints.
 * @param example - the example
 * @param modules - the modules that it may import, by name
 * @returns the lines that it printed, and the lines in the comments after its `console.log` calls
 */
export async function runExample(
  example: Example,
  modules: Readonly<Record<string, unknown>>,
): Promise<{ printed: string[]; promised: string[] }> {
  const options = { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 };
  const { outputText } = ts.transpileModule(example.code, { compilerOptions: options });
  const printed: string[] = [];
  const log = (...values: unknown[]): void => void printed.push(...format(...values).split("\n"));
  const require = (name: string): unknown => {
    if (name in modules) return modules[name];
    throw new Error(`${example.where}: the example imports ${name}, which the test does not give it`);
  };
  const body = `return (async () => {${outputText}\n})();`;
  const run = compileFunction(body, ["require", "exports", "console"]) as (...parameters: unknown[]) => Promise<void>;
  await run(require, {}, { log });
  const promised = [...example.code.matchAll(/^ *console\.log\(.*\); \/\/ (.*)$/gm)].map((match) => match[1]!);
  return { printed, promised };
}
