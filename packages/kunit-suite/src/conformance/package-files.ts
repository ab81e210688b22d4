/** What a file of a package imports from outside of the package. */
export interface PackageImport {
  /** The file, relative to the package. */
  readonly file: string;
  /** The name of the module that it imports. */
  readonly specifier: string;
}

/** A package as it lies on the disk: its manifest, and what its files import. */
export interface PackageFiles {
  /** Its folder. */
  readonly directory: string;
  /** Its name. */
  readonly name: string;
  /** The packages that it needs to run: dependencies, peer and optional dependencies. */
  readonly dependencies: readonly string[];
  /** The module that it exports as `.`, an absolute path. */
  readonly entry: string;
  /** What the files import that its entries reach; Node's own modules left out. */
  readonly imports: readonly PackageImport[];
  /**
   * Loads another package as this one would, which runs its code.
   * @param name - its name
   * @returns its exports; rejected if it cannot be found or loaded
   */
  load(name: string): Promise<Readonly<Record<string, unknown>>>;
}
