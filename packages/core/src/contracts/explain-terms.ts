import type { Access, FaultKind, Privilege } from "./access.js";
import type { FaultReport } from "./cpu.js";
import type { VirtAddr } from "./numbers.js";
import type { PageTableFormat } from "./page-table-format.js";

/** A rule of an architecture, as text. */
export interface Rule {
  /** The rule applied to the access; one line. */
  readonly text: string;
  /** Its source: a section of the manual, a rule id, a function of the pseudocode, or a patch. */
  readonly source: string;
}

/** One access with all inputs, so that it can be repeated with one change. */
export interface AccessSetup {
  /** The codec of the entries, with the shape of the tables. */
  readonly format: PageTableFormat;
  /** The table entries from the root down, the leaf (or the entry in its place) last. */
  readonly entries: readonly bigint[];
  /** The address accessed. */
  readonly address: VirtAddr;
  /** The kind of access. */
  readonly access: Access;
  /** The privilege of the access. */
  readonly privilege: Privilege;
  /** The system registers by the manual's names. */
  readonly registers: Readonly<Record<string, bigint>>;
  /** The kernel's key register. */
  readonly pkeyRegister: bigint;
  /** The kernel's register for fetches; left out if the key register decides all accesses. */
  readonly fetchRegister?: bigint;
  /** Width of physical addresses in bits. */
  readonly physicalAddressBits: number;
}

/** One change with which an access may succeed. A change without effect is ignored. */
export interface WhatIf {
  /** Description of the change: `CR4.SMAP were 0`. */
  readonly text: string;
  /** Location of the change: a register by the manual's name, or entries by level, 0 being the root's. */
  readonly where: string | readonly number[];
  /** Bits that are cleared there first. */
  readonly clear: bigint;
  /** Bits that are set after. */
  readonly set: bigint;
}

/** The access in a syndrome; fields that the syndrome does not contain are left out. */
export type ReportedAccess = Pick<FaultReport, "access" | "privilege"> & Partial<FaultReport>;

/** The check that a syndrome reports. */
export interface SyndromeVerdict {
  /** The check that failed. */
  readonly kind: FaultKind;
  /** Linux's name for it. */
  readonly name: string;
  /** The rule for the encoding in the syndrome. */
  readonly rule: Rule;
}

/** Values of inputs, by name, that differ from the assumed ones on another machine. */
export type OtherMachine = Readonly<Record<string, bigint>>;

/** Known parameters of the tables. */
export interface GeometryEvidence {
  /** Width of virtual addresses in bits. */
  readonly vaBits?: number;
  /** log2 of the page size. */
  readonly pageShift?: number;
}

/** The key that decides an access to a leaf, or the reason why no key applies. */
export type KeyUse =
  | {
      /** The key. */
      readonly key: number;
      /** The field of the leaf that has the key: `POIndex`. */
      readonly field: string;
      /** The register with the rights of the key: `POR_EL0`. */
      readonly register: string;
      /** The register's value. */
      readonly value: bigint;
      /** Whether the page is a kernel page, whose key is one of kpkeys; a user page has a key of its process. */
      readonly ofKernel: boolean;
      /** The rule. */
      readonly source: string;
    }
  | {
      /** The reason why no key applies. */
      readonly unasked: string;
      /** The rule. */
      readonly source: string;
    };

/** A fault that tables and keys do not decide. */
export interface NotTables {
  /** Its name: `alignment fault`. */
  readonly name: string;
  /** Its meaning. */
  readonly rules: readonly Rule[];
}
