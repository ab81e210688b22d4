import { KpkeysError } from "@kpkeys/core";
import { z } from "zod";

const spec = z.string().min(1);

/** The form of `kpkeys.config.json`. `config.schema.json` is generated from it. */
export const JSON_FORM: z.ZodType<{ $schema?: string | undefined; plugins: string[] }> = z.strictObject({
  $schema: z.string().optional().describe("the path of this schema, for editors"),
  plugins: z
    .array(spec)
    .describe("names of packages, and paths of packages or ES modules relative to the file, whose plugins are loaded"),
});

/** The form of the default export of the other files. */
export const MODULE_FORM: z.ZodType<{ plugins: (string | object)[] }> = z.strictObject({
  plugins: z.array(z.union([spec, z.custom<object>((value) => typeof value === "object" && value !== null)])),
});

/** The fields of a configuration, for error messages. */
const FIELDS = "the field plugins: a list of package names and paths";

/**
 * Describes one issue of a validation error: an unknown key if there is one, because it explains a missing one, or the first.
 * @param error - the error
 * @returns the keys that lead to the value, and what is wrong with it
 */
export function firstIssue({ issues }: z.ZodError): { readonly keys: readonly PropertyKey[]; readonly what: string } {
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0]!;
  const keys = issue.code === "unrecognized_keys" ? [...issue.path, ...issue.keys] : issue.path;
  return { keys, what: `${keys.join(".") || "the configuration"}: ${issue.message}` };
}

/**
 * An ERR_PLUGIN_CONFIG error.
 * @param where - the file, with the line if it is known
 * @param what - the problem
 * @param expected - the content that is valid there
 * @param cause - the underlying error, if there is one
 */
export function malformed(where: string, what: string, expected: string = FIELDS, cause?: unknown): KpkeysError {
  return new KpkeysError("ERR_PLUGIN_CONFIG", what, { where, expected, cause });
}
