import { createRequire } from "node:module";

/** What is used of the compiler. */
interface Swc {
  transformSync(source: string, options: { mode: "strip-only" }): { code: string };
}

/** Text that is neither TypeScript without what would have to be compiled, nor JavaScript. */
export class SourceError extends SyntaxError {
  /** The line, from 1 on. */
  readonly line: number;

  /** @param cause - what the compiler throws: no error */
  constructor(cause: { readonly message: string; readonly startLine: number }) {
    super(cause.message, { cause });
    this.line = cause.startLine;
  }
}

/**
 * Takes the types out of TypeScript, as Node itself does from 22.18 on, by the same compiler.
 * @param source - the text
 * @returns JavaScript, each token where it was
 * @throws SourceError for what cannot be parsed, and for an `enum` and its like
 */
export function stripTypes(source: string): string {
  const swc = createRequire(import.meta.url)("@swc/wasm-typescript") as Swc;
  try {
    return swc.transformSync(source, { mode: "strip-only" }).code;
  } catch (cause) {
    throw new SourceError(cause as ConstructorParameters<typeof SourceError>[0]);
  }
}
