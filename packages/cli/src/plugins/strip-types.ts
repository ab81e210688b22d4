import { createRequire } from "node:module";

/** The part of the compiler that is used. */
interface Swc {
  transformSync(source: string, options: { mode: "strip-only" }): { code: string };
}

/** Thrown for text that is not JavaScript after its types are removed. */
export class SourceError extends SyntaxError {
  /** The line, counted from 1. */
  readonly line: number;

  /** @param cause - the object that the compiler throws; it is not an Error */
  constructor(cause: { readonly message: string; readonly startLine: number }) {
    super(cause.message, { cause });
    this.line = cause.startLine;
  }
}

/**
 * Removes the types from TypeScript, with the compiler that Node uses from 22.18 on.
 * @param source - the text
 * @returns JavaScript, with each token at its place
 * @throws SourceError for text that cannot be parsed, and for `enum` and other syntax that must be compiled
 */
export function stripTypes(source: string): string {
  const swc = createRequire(import.meta.url)("@swc/wasm-typescript") as Swc;
  try {
    return swc.transformSync(source, { mode: "strip-only" }).code;
  } catch (cause) {
    throw new SourceError(cause as ConstructorParameters<typeof SourceError>[0]);
  }
}
