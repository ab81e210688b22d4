import type {
  FaultKind,
  FaultReport,
  Geometry,
  PageTableFormat,
  PkeyRegister,
  Privilege,
  Reason,
  WalkStep,
} from "../../contracts/index.js";
import type { VectorRules } from "../vector-run.js";
import type { AccessBench, AccessSetup } from "./access.js";
import type { GeometryEvidence } from "./geometry.js";
import type { InputReading, ReadInputs } from "./inputs.js";

/** A change of one thing that might let an access through. */
export interface WhatIf {
  /** What would have to differ: `CR4.SMAP were 0`. */
  readonly text: string;
  /** The access with that changed. */
  readonly setup: AccessSetup;
}

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

/** A rule in words. */
export type Rule = Required<Omit<Reason, "topic">>;

/** What a report is of, if tables and keys do not decide it. */
export interface NotTables {
  /** Its name: `alignment fault`. */
  readonly name: string;
  /** What it means. */
  readonly rules: readonly Rule[];
}

/** What an architecture says of its own rules, in words and as data; who decides is its CPU alone. */
export interface ExplainRules extends AccessBench, InputReading {
  /** The layout of the key register. */
  readonly pkeyRegister: PkeyRegister;
  /** How it carries out architectural vectors: the key registers, and what opens all keys. */
  readonly vectors: Pick<VectorRules, "keys" | "privilegeOf">;
  /** Names of the privileges: `EL1`. */
  readonly privileges: Readonly<Record<Privilege, string>>;
  /** Fields of `faultRegisters` that are not compared with the model's: what they hold is in other fields too. */
  readonly uncompared: readonly string[];
  /** The input that has the address; needed for `untag` and `decidedBy`. */
  readonly addressInput?: string;
  /**
   * What the inputs report, as a CPU would.
   * @param values - the inputs
   * @throws KpkeysError ERR_EXPLAIN_INPUT when they report something else than a fault of an access
   */
  report(values: Readonly<Record<string, bigint>>): FaultReport;
  /**
   * What is not known of a report, because a register was given in part; all is known if left out.
   * @param inputs - the inputs as text
   */
  unknown?(inputs: ReadInputs["given"]):
    | {
        /** Names of the fields that the inputs leave unknown. */
        readonly fields: readonly string[];
        /** Why they are unknown. */
        readonly text: string;
      }
    | undefined;
  /**
   * A report as the model's CPU could make it: without what only other CPUs report. As it is if left out.
   * @param report - a report
   */
  comparable?(report: FaultReport): FaultReport;
  /**
   * An address without its tag, if it has one.
   * @param report - has the address
   * @param inputs - the inputs
   */
  untag?(
    report: FaultReport,
    inputs: ReadInputs,
  ):
    | {
        /** The address without its tag. */
        readonly address: bigint;
        /** The rule by which the tag is ignored. */
        readonly rule: Rule;
      }
    | undefined;
  /**
   * What a report is of, if tables and keys do not decide it.
   * @param report - a report
   */
  notTables?(report: FaultReport): NotTables | undefined;
  /**
   * What the syndrome alone says decided; if left out, a report without entries is not explained.
   * @param report - a report
   */
  decidedBy?(report: FaultReport): SyndromeVerdict;
  /**
   * What a report is of, if table entries might decide it and those that were given do not.
   * @param report - a report
   */
  beyondEntries?(report: FaultReport): NotTables | undefined;
  /**
   * A user fault in the words of the signal that the process receives; those of `describeFault` if left out.
   * @param report - a report
   * @param pkey - the key of the page, if it is known
   */
  describeSignal?(report: FaultReport, pkey: number | undefined): string;
  /** The shapes of tables that Linux uses, the commonest first; that of the format alone if left out. */
  readonly geometries?: readonly Geometry[];
  /**
   * The codec of entries in tables of a shape.
   * @param geometry - one of the shapes
   */
  formatOf?(geometry: Geometry): PageTableFormat;
  /**
   * What registers that were given say of the shape.
   * @param inputs - the inputs
   * @param report - has the address
   * @throws KpkeysError ERR_EXPLAIN_LIMIT for a shape that the model does not walk
   */
  geometryOf?(inputs: ReadInputs, report: FaultReport): GeometryEvidence;
  /**
   * What a syndrome says beyond `faultRegisters`.
   * @param report - a report
   */
  syndromeDetails(report: FaultReport): readonly string[];
  /**
   * Width of physical addresses in bits.
   * @param values - the inputs
   * @param geometry - the shape of the tables, whose entries may hold no more
   */
  physicalAddressBits(values: Readonly<Record<string, bigint>>, geometry: Geometry): number;
  /**
   * Other machines that are tried where the report does not agree: values of inputs that were not given. None if left out.
   * @param inputs - the inputs
   * @param report - a report
   */
  otherMachines?(inputs: ReadInputs, report: FaultReport): readonly OtherMachine[];
  /**
   * Where the walk begins.
   * @param setup - the access
   */
  root(setup: AccessSetup): Rule;
  /**
   * What an entry is and has.
   * @param step - the entry
   * @param setup - the access
   */
  entry(step: WalkStep, setup: AccessSetup): Rule;
  /**
   * What the entries and registers say of rights, keys apart.
   * @param setup - the access
   * @param leaf - the leaf
   */
  baseRights(setup: AccessSetup, leaf: WalkStep): readonly Rule[];
  /**
   * Which key decides.
   * @param setup - the access
   * @param leaf - the leaf
   */
  keyUse(setup: AccessSetup, leaf: WalkStep): KeyUse;
  /**
   * The rule by which a check decides.
   * @param kind - which check failed; NONE if none did
   * @param setup - the access
   */
  decision(kind: FaultKind, setup: AccessSetup): Rule;
  /**
   * Changes of one thing that might let a denied access through, be they all tried.
   * @param kind - which check failed
   * @param setup - the access
   */
  whatIfs(kind: FaultKind, setup: AccessSetup): readonly WhatIf[];
}
