import type { Access, FaultKind, Privilege } from "./access.js";
import type { FaultReport } from "./cpu.js";
import type { VirtAddr } from "./numbers.js";
import type { PageTableFormat } from "./page-table-format.js";

/** A rule in words. */
export interface Rule {
  /** What it says here; one line. */
  readonly text: string;
  /** Where it is from: a section of the manual, a rule or a function of its pseudocode, a patch. */
  readonly source: string;
}

/** One access with all that decides it, so that it can be tried again with one thing changed. */
export interface AccessSetup {
  /** The codec of the entries, with the shape of the tables. */
  readonly format: PageTableFormat;
  /** The table entries from the root down, the leaf (or the entry in its place) last. */
  readonly entries: readonly bigint[];
  /** The address accessed. */
  readonly address: VirtAddr;
  /** What is done. */
  readonly access: Access;
  /** On whose behalf. */
  readonly privilege: Privilege;
  /** The system registers by the manual's names. */
  readonly registers: Readonly<Record<string, bigint>>;
  /** The kernel's key register. */
  readonly pkeyRegister: bigint;
  /** Width of physical addresses in bits. */
  readonly physicalAddressBits: number;
}

/** A change of one thing that might let an access through. One that changes nothing is passed over. */
export interface WhatIf {
  /** What would have to differ: `CR4.SMAP were 0`. */
  readonly text: string;
  /** What changes: a register, by the manual's name, or the entries of some levels, 0 being the root's. */
  readonly where: string | readonly number[];
  /** Bits that are cleared there first. */
  readonly clear: bigint;
  /** Bits that are set after. */
  readonly set: bigint;
}

/** What a syndrome says of the access; what it does not say is left out. */
export type ReportedAccess = Pick<FaultReport, "access" | "privilege"> & Partial<FaultReport>;

/** What a syndrome says decided. */
export interface SyndromeVerdict {
  /** Which check failed. */
  readonly kind: FaultKind;
  /** Linux's name of it. */
  readonly name: string;
  /** The rule by which the syndrome says so. */
  readonly rule: Rule;
}

/** Values of inputs by their names that another machine has than the one that is assumed. */
export type OtherMachine = Readonly<Record<string, bigint>>;

/** What is known of the shape of tables. */
export interface GeometryEvidence {
  /** Width of virtual addresses in bits. */
  readonly vaBits?: number;
  /** log2 of the page size. */
  readonly pageShift?: number;
}

/** Which key decides on a leaf, or why none does. */
export type KeyUse =
  | {
      /** The key. */
      readonly key: number;
      /** The field of the leaf that names it: `POIndex`. */
      readonly field: string;
      /** The register that has its rights: `POR_EL0`. */
      readonly register: string;
      /** The register's value. */
      readonly value: bigint;
      /** Whether the page is the kernel's own, so that its key is one of kpkeys; a user page has a key of its process. */
      readonly ofKernel: boolean;
      /** The rule. */
      readonly source: string;
    }
  | {
      /** Why no key is asked. */
      readonly unasked: string;
      /** The rule. */
      readonly source: string;
    };

/** What a report is of, if tables and keys do not decide it. */
export interface NotTables {
  /** Its name: `alignment fault`. */
  readonly name: string;
  /** What it means. */
  readonly rules: readonly Rule[];
}
