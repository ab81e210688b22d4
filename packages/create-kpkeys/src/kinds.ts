/** The kinds of packages, each with the worked example that is its template. */
export const KINDS = {
  /** Protects kernel data, on every architecture. */
  feature: "selinux-state",
  /** Registers, page-table format and access rules of a CPU. */
  arch: "odd-arch",
} as const;

/** A kind of package. */
export type Kind = keyof typeof KINDS;
