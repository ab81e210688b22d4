/** An import of another package. */
export interface PackageImport {
  /** The file, relative to the package. */
  readonly file: string;
  /** The specifier of the module. */
  readonly specifier: string;
}

/** The manifest and the imports of a package on the disk. */
export interface PackageFiles {
  /** Its folder. */
  readonly directory: string;
  /** Its name. */
  readonly name: string;
  /** Its runtime dependencies: dependencies, peer and optional dependencies. */
  readonly dependencies: readonly string[];
  /** The module that it exports as `.`, an absolute path. */
  readonly entry: string;
  /** The imports of all files that its entries reach, without Node.js built-in modules. */
  readonly imports: readonly PackageImport[];
  /**
   * Loads another package as this one would. This runs the other package's code.
   * @param name - its name
   * @returns its exports; rejects if the package cannot be found or loaded
   */
  load(name: string): Promise<Readonly<Record<string, unknown>>>;
}
