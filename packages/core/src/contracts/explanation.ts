import type { FaultKind, Privilege } from "./access.js";
import type { Cpu, FaultReport, WalkStep } from "./cpu.js";
import type { ExplainInputRule, GivenInputs, OopsForm } from "./explain-inputs.js";
import type {
  AccessSetup,
  GeometryEvidence,
  KeyUse,
  NotTables,
  OtherMachine,
  ReportedAccess,
  Rule,
  SyndromeVerdict,
  WhatIf,
} from "./explain-terms.js";
import type { VirtAddr } from "./numbers.js";
import type { Geometry, PageTableFormat } from "./page-table-format.js";
import type { PhysicalMemory } from "./physical-memory.js";
import type { PkeyRegister, Words } from "./pkey-register.js";
import type { SystemRegisters } from "./system-registers.js";

/**
 * What an architecture says of its rules, in words and as data. Its CPU alone decides an access: the engine tries on it all that
 * an explanation says.
 */
export interface ExplainRules {
  /** The codec of its entries, of the commonest geometry. */
  readonly format: PageTableFormat;
  /** The layout of the key register. */
  readonly pkeyRegister: PkeyRegister;
  /** The user's key register by its name among the system registers, and the value of both that withholds nothing. */
  readonly openKeys: {
    /** The name. */
    readonly userRegister: string;
    /** The value. */
    readonly value: Words;
  };
  /** Its inputs, table entries and geometry apart. */
  readonly inputs: readonly ExplainInputRule[];
  /** How its fault reports look in a kernel log; left out if they are not read. */
  readonly oops?: OopsForm;
  /** A table entry that withholds nothing, without its address. */
  readonly openTable: bigint;
  /** Names of the privileges: `EL1`. */
  readonly privileges: Readonly<Record<Privilege, string>>;
  /** Fields of `faultRegisters` that are not compared with the model's: what they hold is in other fields too. */
  readonly uncompared: readonly string[];
  /**
   * Makes a CPU, as its `CpuFactory` does.
   * @param memory - where the tables are
   * @param physicalAddressBits - width of physical addresses
   * @param geometry - the shape of the tables
   */
  createCpu(memory: PhysicalMemory, physicalAddressBits: number, geometry: Geometry): Cpu;
  /**
   * Makes the registers of a CPU that Linux has set up.
   * @param geometry - the shape of its tables
   */
  createSystemRegisters(geometry: Geometry): SystemRegisters;
  /**
   * The access that a syndrome is about.
   * @param syndromeLow - bits 31 to 0 of the syndrome
   * @param values - the inputs
   * @throws KpkeysError ERR_EXPLAIN_INPUT for a syndrome of something else than an access
   */
  reportedAccess(syndromeLow: number, values: GivenInputs["values"]): ReportedAccess;
  /**
   * What is not known of a report, because a register was given in part; all is known if left out.
   * @param inputs - the inputs as text
   */
  unknown?(inputs: GivenInputs["given"]):
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
    inputs: GivenInputs,
  ):
    | {
        /** The address without its tag. */
        readonly address: VirtAddr;
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
  geometryOf?(inputs: GivenInputs, report: FaultReport): GeometryEvidence;
  /**
   * What a syndrome says beyond `faultRegisters`.
   * @param report - a report
   */
  syndromeDetails(report: FaultReport): readonly string[];
  /**
   * Width of physical addresses in bits.
   * @param values - the inputs
   * @param geometry - the shape of the tables, whose entries may hold no more
   * @throws KpkeysError ERR_EXPLAIN_INPUT for a width that no CPU has
   */
  physicalAddressBits(values: GivenInputs["values"], geometry: Geometry): number;
  /**
   * Other machines that are tried where the report does not agree: values of inputs that were not given. None if left out.
   * @param inputs - the inputs
   * @param report - a report
   */
  otherMachines?(inputs: GivenInputs, report: FaultReport): readonly OtherMachine[];
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
   * Changes of one thing that might let a denied access through, all of which are tried.
   * @param kind - which check failed
   * @param setup - the access
   */
  whatIfs(kind: FaultKind, setup: AccessSetup): readonly WhatIf[];
}
