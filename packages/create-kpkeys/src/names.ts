import { builtinModules } from "node:module";

/** A name in the forms that code spells it in. */
export interface NameForms {
  /** In package names and plugin ids: `selinux-state`. */
  readonly kebab: string;
  /** In the kernel's words: `selinux_state`. */
  readonly snake: string;
  /** Of keys, contexts and config symbols: `SELINUX_STATE`. */
  readonly upper: string;
  /** Of types: `SelinuxState`. */
  readonly pascal: string;
  /** Of the plugin: `selinuxState`. */
  readonly camel: string;
}

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
/** The longest name that npm takes. */
const LONGEST = 214;

/** Words that no declaration may have as its name: ECMA-262's in strict mode, and those that TypeScript keeps. */
const RESERVED = (
  "arguments await break case catch class const continue debugger default delete do else enum eval export exports extends " +
  "false finally for function globalThis if implements import in instanceof interface let new null package private " +
  "protected public require return static super switch this throw true try typeof undefined var void while with yield"
).split(" ");

/** Ids, keys, contexts and config symbols that a generated package meets in its own tests. */
const TAKEN =
  "default unrestricted pgtables cred conformance conformance-none arm64-poe x86-pks kunit hardened-pgtables hardened-cred".split(
    " ",
  );

/**
 * Why a name cannot be that of a package.
 *
 * @param name - the name
 * @returns the reason; `undefined` if it can
 */
export function refusalOf(name: string): string | undefined {
  if (!NAME.test(name)) return "it has other characters than lower case letters, digits and single hyphens";
  if (name.length > LONGEST) return `npm takes no name of more than ${LONGEST} characters`;
  if (builtinModules.includes(name)) return "a module of Node has this name";
  if (TAKEN.includes(name)) return "a plugin, key, context or symbol of kpkeys has this name";
  return undefined;
}

/**
 * Spells a name in every form.
 *
 * @param name - lower case letters, digits and single hyphens
 * @returns its forms; `undefined` for anything else
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
 * The forms of a name with identifiers that can be declared next to others.
 *
 * @param forms - of the name
 * @param others - identifiers that are in use
 * @returns the same, where need be with a suffix to the identifiers of the plugin and of its types
 */
export function declarable(forms: NameForms, others: ReadonlySet<string>): NameForms {
  const { camel, pascal } = forms;
  const isFree = [camel, pascal].every((each) => !others.has(each) && !RESERVED.includes(each));
  return isFree ? forms : declarable({ ...forms, camel: `${camel}Plugin`, pascal: `${pascal}Plugin` }, others);
}

/**
 * The identifiers in a text, with the words of its comments and strings.
 *
 * @param text - TypeScript
 */
export function identifiersIn(text: string): string[] {
  return text.match(/[\p{ID_Start}$_][\p{ID_Continue}$]*/gu) ?? [];
}

/**
 * Puts one name in the place of another, whatever form it is spelt in.
 *
 * @param text - a file's content or its name
 * @param from - the name that is there
 * @param to - the name that takes its place
 */
export function rename(text: string, from: NameForms, to: NameForms): string {
  const forms = ["kebab", "snake", "upper", "pascal", "camel"] as const;
  return forms.reduce((result, form) => result.replaceAll(from[form], to[form]), text);
}
