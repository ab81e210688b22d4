// The word check: `npm run lint:words`. Every file is read as plain text, so that comments, strings, names and documents obey
// the same list (words.mjs).
import { TextSourceCodeBase, VisitNodeStep } from "@eslint/plugin-kit";
import { defineConfig, globalIgnores } from "eslint/config";
import { RIDDLES, WORDS } from "./words.mjs";

const START = { start: { line: 1, column: 0 }, end: { line: 1, column: 0 } };

/** A language with one node: the whole text. */
const text = {
  fileType: "text",
  lineStart: 1,
  columnStart: 0,
  nodeTypeKey: "type",
  validateLanguageOptions: () => undefined,
  parse: ({ body }) => ({ ok: true, ast: { type: "Text", range: [0, body.length], loc: START } }),
  createSourceCode: ({ body }, { ast }) => new Text({ text: body, ast }),
};

class Text extends TextSourceCodeBase {
  traverse() {
    return [1, 2].map((phase) => new VisitNodeStep({ target: this.ast, phase, args: [this.ast] }));
  }
}

/** White space, or the end of a comment's line and the mark that opens the next one. */
const GAP = String.raw`(?:[ \t]+|[ \t]*\r?\n[ \t]*(?:\*|//|>)?[ \t]*)`;

/** @returns {RegExp} matches the words as they are and with a capital, at the start of a name or inside camelCase */
function patternOf(words) {
  const rests = (first) => words.filter((word) => word[0] === first).map((word) => word.slice(1).replaceAll(" ", GAP));
  const firsts = [...new Set(words.map(([first]) => first))];
  const each = firsts.map((first) => {
    const capital = first.toUpperCase();
    return `(?:(?<![A-Za-z])[${first}${capital}]|(?<=[a-z])${capital})(?:${rests(first).join("|")})`;
  });
  return new RegExp(`(?:${each.join("|")})(?![a-z])`, "g");
}

/** @returns an ESLint rule that reports every match */
function ruleOf(entries) {
  return {
    meta: { type: "suggestion", languages: ["words/text"] },
    create: ({ sourceCode, report }) => ({
      Text() {
        for (const { pattern, use } of entries)
          for (const match of sourceCode.text.matchAll(pattern)) {
            const [start, end] = [match.index, match.index + match[0].length].map((at) =>
              sourceCode.getLocFromIndex(at),
            );
            report({ loc: { start, end }, message: `"${match[0].trim()}": write ${use}` });
          }
      },
    }),
  };
}

const rules = {
  ...Object.fromEntries(
    Object.entries(WORDS).map(([name, entries]) => [
      name,
      ruleOf(entries.map(({ words, use }) => ({ pattern: patternOf(words), use }))),
    ]),
  ),
  riddle: ruleOf(RIDDLES),
};

export default defineConfig(
  globalIgnores(["**/dist/", "docs/api/", ".nx/", "coverage/", "tools/words/", "**/CHANGELOG.md"]),
  {
    files: ["**/*.{ts,js,mjs,c,sh,pl,yml,md,css,html}", "**/package.json"],
    plugins: { words: { languages: { text }, rules } },
    language: "words/text",
    rules: Object.fromEntries(Object.keys(rules).map((name) => [`words/${name}`, "error"])),
  },
);
