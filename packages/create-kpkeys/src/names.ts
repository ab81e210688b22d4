import { builtinModules } from "node:module";

/** A name in every spelling of the code. */
export interface NameForms {
  /** Package names and plugin ids: `selinux-state`. */
  readonly kebab: string;
  /** Names in the kernel: `selinux_state`. */
  readonly snake: string;
  /** Keys, contexts and config symbols: `SELINUX_STATE`. */
  readonly upper: string;
  /** Types: `SelinuxState`. */
  readonly pascal: string;
  /** The plugin: `selinuxState`. */
  readonly camel: string;
}

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
/** The longest name that npm accepts. */
const LONGEST = 214;

/** Words that cannot be declared: reserved by ECMA-262 in strict mode, or by TypeScript. */
const RESERVED = (
  "arguments await break case catch class const continue debugger default delete do else enum eval export exports extends " +
  "false finally for function globalThis if implements import in instanceof interface let new null package private " +
  "protected public require return static super switch this throw true try typeof undefined var void while with yield"
).split(" ");

/** Ids, keys, contexts and config symbols in the tests of a created package. */
const USED =
  "default unrestricted pgtables cred conformance conformance-none arm64-poe x86-pks kunit hardened-pgtables hardened-cred".split(
    " ",
  );

/**
 * Checks the name of a package.
 *
 * @param name - the name
 * @returns why the name is invalid; `undefined` if it is valid
 */
export function nameProblem(name: string): string | undefined {
  if (!NAME.test(name))
    return "it is not a lower case letter followed by lower case letters, digits and single hyphens";
  if (name.length > LONGEST) return `npm accepts at most ${LONGEST} characters`;
  if (builtinModules.includes(name)) return "a module of Node.js has this name";
  if (USED.includes(name)) return "a plugin, key, context or symbol of kpkeys has this name";
  return undefined;
}

/**
 * Returns the spellings of a name.
 *
 * @param name - lower case letters, digits and single hyphens
 * @returns its spellings; `undefined` for an invalid name
 */
export function formsOf(name: string): NameForms | undefined {
  if (!NAME.test(name)) return undefined;
  const words = name.split("-");
  const pascal = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join("");
  return {
    kebab: name,
    snake: words.join("_"),
    upper: words.join("_").toUpperCase(),
    pascal,
    camel: pascal[0]!.toLowerCase() + pascal.slice(1),
  };
}

/**
 * Makes the identifiers of a name declarable.
 *
 * @param forms - spellings of the name
 * @param others - identifiers in use
 * @returns the spellings; with the suffix `Plugin` on the identifiers of the plugin and its types if they are reserved or in use
 */
export function declarable(forms: NameForms, others: ReadonlySet<string>): NameForms {
  const { camel, pascal } = forms;
  const isFree = [camel, pascal].every((each) => !others.has(each) && !RESERVED.includes(each));
  return isFree ? forms : declarable({ ...forms, camel: `${camel}Plugin`, pascal: `${pascal}Plugin` }, others);
}

/**
 * Returns the identifiers of a text, and the words of its comments and strings.
 *
 * @param text - TypeScript
 */
export function identifiersIn(text: string): string[] {
  return text.match(/[\p{ID_Start}$_][\p{ID_Continue}$]*/gu) ?? [];
}

/**
 * Replaces a name in every spelling.
 *
 * @param text - a file's content or its path
 * @param from - the old name
 * @param to - the new name
 */
export function rename(text: string, from: NameForms, to: NameForms): string {
  const forms = ["kebab", "snake", "upper", "pascal", "camel"] as const;
  return forms.reduce((result, form) => result.replaceAll(from[form], to[form]), text);
}
