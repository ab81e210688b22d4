import { existsSync, readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const PACKAGES = fileURLToPath(new URL("../../", import.meta.url));

interface Manifest {
  name: string;
  private?: boolean;
  license?: string;
  type?: string;
  repository?: { directory?: string };
  exports?: Record<string, string | Record<string, string>>;
  files?: string[];
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  publishConfig?: { access?: string };
}

/** Packages that are run, not imported, with their own dependencies. */
const COMMANDS = ["cli", "create-kpkeys"];

const read = (path: string): string => readFileSync(PACKAGES + path, "utf8");
const published = readdirSync(PACKAGES)
  .filter((folder) => existsSync(`${PACKAGES}${folder}/package.json`))
  .map((folder) => ({ folder, manifest: JSON.parse(read(`${folder}/package.json`)) as Manifest }))
  .filter(({ manifest }) => !manifest.private);
const names = published.map(({ manifest }) => manifest.name);
const isHouse = (name: string): boolean => names.includes(name);

/** The texts of a package's sources, without lines of comment. */
function sources(folder: string): string[] {
  return readdirSync(`${PACKAGES}${folder}/src`, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => read(`${folder}/src/${file}`).replaceAll(/^\s*(\*|\/\/).*$/gm, ""));
}

/** All that a pattern's first group finds in a package's sources. */
function found(folder: string, pattern: RegExp): string[] {
  return sources(folder).flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1]!));
}

/** The packages that a package's sources import, without Node's own modules. */
function importedBy(folder: string): Set<string> {
  const targets = found(folder, /(?:from|import)\s*\(?\s*"([^".][^"]*)"/g).filter(
    (target) => !target.startsWith("node:"),
  );
  return new Set(targets.map((target) => /^(@[^/]+\/)?[^/]+/.exec(target)![0]));
}

test("there are packages to judge", () => {
  expect(names).toContain("@kpkeys/core");
  expect(names).toContain("kpkeys");
});

test("SECURITY.md names the packages that depend on packages from elsewhere", () => {
  const sentence = /^Four packages depend[^]*?(?=\. `@kpkeys\/kunit-suite`)/m.exec(read("../SECURITY.md"))![0];
  const named = [...sentence.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
  const foreign = published.filter(({ manifest }) => !Object.keys(manifest.dependencies ?? {}).every(isHouse));
  expect(named.sort()).toEqual(foreign.map(({ manifest }) => manifest.name).sort());
});

describe.each(published)("$manifest.name", ({ folder, manifest }) => {
  test("has a README that opens with its name, a CHANGELOG and the repository's LICENSE", () => {
    expect(read(`${folder}/README.md`)).toMatch(`# ${manifest.name}\n`);
    expect(read(`${folder}/CHANGELOG.md`)).toMatch(`# ${manifest.name}\n`);
    expect(read(`${folder}/LICENSE`)).toBe(read("../LICENSE"));
    expect(manifest.license).toBe("MIT");
  });

  test("is an ES module that may be published, with its own folder named", () => {
    expect(manifest.type).toBe("module");
    expect(manifest.publishConfig).toEqual({ access: "public" });
    expect(manifest.repository?.directory).toBe(`packages/${folder}`);
    expect(manifest.files).toEqual(expect.arrayContaining(["dist", "src"]));
  });

  test("offers each entry as a source, types and a module, in this order, of one file", () => {
    const { "./package.json": own, ...entries } = manifest.exports ?? {};
    expect(own).toBe("./package.json");
    expect(Object.keys(entries)).toContain(".");
    for (const [entry, conditions] of Object.entries(entries)) {
      const source = entry === "." ? "index" : `${entry.slice(2)}/index`;
      expect(Object.entries(conditions)).toEqual([
        ["@kpkeys/source", `./src/${source}.ts`],
        ["types", `./dist/${source}.d.ts`],
        ["default", `./dist/${source}.js`],
      ]);
      expect(existsSync(`${PACKAGES}${folder}/src/${source}.ts`), `src/${source}.ts`).toBe(true);
    }
  });

  test("publishes the folders that its sources read", () => {
    const folders = found(folder, /new URL\("(?:\.\.\/)+([^./"][^/"]*)\//g);
    expect(manifest.files).toEqual(expect.arrayContaining(folders));
  });

  test("declares each package that it imports, and a library takes the others of this repository as peers", () => {
    const declared = { ...manifest.dependencies, ...manifest.peerDependencies };
    for (const name of importedBy(folder)) {
      if (name !== manifest.name) expect(Object.keys(declared), `src imports ${name}`).toContain(name);
    }
    if (COMMANDS.includes(folder)) return;
    expect(Object.keys(manifest.dependencies ?? {}).filter(isHouse)).toEqual([]);
    for (const [name, range] of Object.entries(manifest.peerDependencies ?? {}).filter(([name]) => isHouse(name))) {
      expect(range, `the peer range of ${name}`).toBe(">=0.1.0 <1.0.0");
      expect(manifest.devDependencies?.[name], `${name} is there while developing`).toBe("*");
    }
  });

  test("only those of core, the cost model's solver, gzip without Node.js and those of the commands are run-time dependencies", () => {
    if (folder === "core") expect(Object.keys(manifest.dependencies!)).toEqual(["reflect-metadata", "tsyringe"]);
    else if (folder === "workloads")
      expect(Object.keys(manifest.dependencies!)).toEqual(["ml-levenberg-marquardt", "pako"]);
    else if (!COMMANDS.includes(folder)) expect(manifest.dependencies).toBeUndefined();
  });

  test("is built, documented and referenced in the order of its dependencies", () => {
    const references = (file: string): string[] =>
      (JSON.parse(read(file)) as { references?: { path: string }[] }).references?.map(({ path }) => path) ?? [];
    for (const root of ["../tsconfig.json", "../tsconfig.test.json"])
      expect(references(root)).toContain(`packages/${folder}`);
    expect((JSON.parse(read("../typedoc.json")) as { entryPoints: string[] }).entryPoints).toContain(
      `packages/${folder}`,
    );
    const needed = published.filter(({ manifest: { name } }) =>
      [manifest.dependencies, manifest.peerDependencies].some((list) => list !== undefined && name in list),
    );
    expect(references(`${folder}/tsconfig.json`).sort()).toEqual(needed.map((other) => `../${other.folder}`).sort());
  });
});
