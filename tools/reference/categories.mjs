// A typedoc plugin: the contracts by category. A contract's category follows from its file, so that the sources need no tag for
// it; a file without a row fails the run. The reference sorts the categories by name.
import { basename } from "node:path";
import { Comment, CommentTag, Converter, ReflectionKind } from "typedoc";

const CATEGORIES = {
  "Contexts and keys": ["kpkeys", "pkey-register"],
  // The index re-exports DependencyContainer.
  Plugins: ["index", "plugin", "token", "extension-points", "protected-objects", "observer"],
  "CPU and translation": [
    "access",
    "cpu",
    "errno",
    "numbers",
    "page-keys",
    "page-table-format",
    "physical-memory",
    "system-registers",
  ],
  "Kernel: page tables": ["page-tables", "pgtable-arch", "setters", "table-allocator", "user-layout"],
  "Kernel: memory": ["memory", "page-allocator", "rcu", "slab"],
  "Kernel: processes and exceptions": ["creds", "execution", "processes", "random"],
  "Tools: explain, vectors, KUnit": [
    "arch-tools",
    "explain-inputs",
    "explain-terms",
    "explanation",
    "kunit",
    "vectors",
  ],
};

const categoryOf = new Map(
  Object.entries(CATEGORIES).flatMap(([category, files]) => files.map((file) => [file, category])),
);

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const reflection of project.getReflectionsByKind(ReflectionKind.SomeExport)) {
      const { fullFileName: file } = reflection.sources?.[0] ?? {};
      if (!file?.includes("/packages/core/src/contracts/") || !reflection.parent?.kindOf(ReflectionKind.SomeModule))
        continue;
      const category = categoryOf.get(basename(file, ".ts"));
      if (category === undefined) app.logger.error(`${file} has no category in tools/reference/categories.mjs`);
      for (const documented of reflection.signatures ?? [reflection]) {
        documented.comment ??= new Comment();
        documented.comment.blockTags.push(new CommentTag("@category", [{ kind: "text", text: category ?? "Other" }]));
      }
    }
  });
}
