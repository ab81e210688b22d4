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
