import type { Kind } from "./kinds.js";

/** The text after the title, by kind: the commands, and the files where the author begins. */
const TEXTS: Readonly<Record<Kind, (name: string) => string>> = {
  feature: (
    name,
  ) => `A feature package for kpkeys. It protects one flag: a page with its own key, which only the setter can write.

\`\`\`sh
npm install && npm test
npx kpkeys check-plugin .
npx kpkeys run --plugin . --feature pgtables,${name}
\`\`\`

Replace the flag in \`src/index.ts\` by the data that you protect, in this order:

- the key, the context and the function that writes the data in this context
- the declared objects, by which coverage and attacks find them
- \`exercise()\`, which brings an object into existence by the same function
- the KUnit suite: a direct write fails, the function succeeds

\`check-plugin\` runs the conformance kit. A package is ready when no rule is \`failed\` or \`not judged\`.
`,
  arch: (
    name,
  ) => `An architecture package for kpkeys: key registers, page-table format and access rules of a CPU that does not exist.

\`\`\`sh
npm install && npm test
npx kpkeys check-plugin .
npx kpkeys attack --plugin . --arch ${name}
\`\`\`

Change the files in this order; the conformance kit (\`check-plugin\`) names what is inconsistent:

- \`src/registers.ts\`: the key registers and the rights of a key
- \`src/format.ts\`: the levels of the page tables and the bits of an entry
- \`src/regime.ts\`: the checks of an access, and its faults
- \`src/pgtable.ts\`: the layout of the address space, and how the kernel writes tables
`,
};

/**
 * The README of a new package: its commands, and the files to change.
 *
 * @param name - the name of the package
 * @param kind - its kind
 * @returns the text, in Markdown
 */
export function readmeOf(name: string, kind: Kind): string {
  return `# ${name}\n\n${TEXTS[kind](name)}`;
}
