import { KpkeysError } from "@kpkeys/core";
import { z } from "zod";

const spec = z.string().min(1);

/** The form of `kpkeys.config.json`; `config.schema.json` is made of it. */
export const JSON_FORM: z.ZodType<{ $schema?: string | undefined; plugins: string[] }> = z.strictObject({
  $schema: z.string().optional().describe("the path of this schema, for editors"),
  plugins: z
    .array(spec)
    .describe("names of packages, and paths of packages or ES modules relative to the file, whose plugins are loaded"),
});

/** The form of what the other files export by default. */
export const MODULE_FORM: z.ZodType<{ plugins: (string | object)[] }> = z.strictObject({
  plugins: z.array(z.union([spec, z.custom<object>((value) => typeof value === "object" && value !== null)])),
});

/**
 * What is wrong first with a value that has not the form.
 * @param error - all that is
 * @returns the keys that lead to it, and what it is
 */
export function wrongIn({ issues }: z.ZodError): { readonly keys: readonly PropertyKey[]; readonly what: string } {
  const issue = issues[0]!;
  const keys = issue.code === "unrecognized_keys" ? [...issue.path, ...issue.keys] : issue.path;
  return { keys, what: `${keys.join(".") || "the configuration"}: ${issue.message}` };
}

/**
 * @param where - the file, with the line if it is known
 * @param what - what is wrong
 * @param cause - the error underneath, if there is one
 */
export function malformed(where: string, what: string, cause?: unknown): KpkeysError {
  const expected = "plugins, a list of names of packages and paths";
  return new KpkeysError("ERR_PLUGIN_CONFIG", what, { where, expected, cause });
}
