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
import type { PkeyRegister, PkeyValue } from "./pkey-register.js";
import type { SystemRegisters } from "./system-registers.js";

/**
 * The rules of an architecture, as text and as data. Its CPU decides accesses: `@kpkeys/explain` checks each statement of an explanation
 * on it.
 */
export interface ExplainRules {
  /** The codec of its entries, for the most common geometry. */
  readonly format: PageTableFormat;
  /** The layout of the key register. */
  readonly pkeyRegister: PkeyRegister;
  /** The user's key register, by its name in the system registers, and the value of the user's and the kernel's that allows everything. */
  readonly openKeys: {
    /** The name. */
    readonly userRegister: string;
    /** The value. */
    readonly value: PkeyValue;
  };
  /** Its inputs, without table entries and geometry. */
  readonly inputs: readonly ExplainInputRule[];
  /** The form of its fault reports in a kernel log; left out if they are not supported. */
  readonly oops?: OopsForm;
  /** A table entry without restrictions and without its address. */
  readonly openTable: bigint;
  /** Names of the privileges: `EL1`. */
  readonly privileges: Readonly<Record<Privilege, string>>;
  /** Fields of `faultRegisters` that are not compared with the model, because other fields have the same bits. */
  readonly uncompared: readonly string[];
  /**
   * Makes a CPU, as its `CpuFactory` does.
   * @param memory - RAM that holds the tables
   * @param physicalAddressBits - width of physical addresses
   * @param geometry - the shape of the tables
   */
  createCpu(memory: PhysicalMemory, physicalAddressBits: number, geometry: Geometry): Cpu;
  /**
   * Makes the system registers with the values that Linux sets.
   * @param geometry - the shape of its tables
   */
  createSystemRegisters(geometry: Geometry): SystemRegisters;
  /**
   * The access in a syndrome.
   * @param syndromeLow - bits 31 to 0 of the syndrome
   * @param values - the inputs
   * @throws KpkeysError ERR_EXPLAIN_INPUT for the syndrome of another exception
   */
  reportedAccess(syndromeLow: number, values: GivenInputs["values"]): ReportedAccess;
  /**
   * Fields of a report that are unknown because a register was given in part; none if left out.
   * @param inputs - the inputs as text
   */
  unknown?(inputs: GivenInputs["given"]):
    | {
        /** Names of the fields. */
        readonly fields: readonly string[];
        /** The reason. */
        readonly text: string;
      }
    | undefined;
  /**
   * A report without bits that the model's CPU never reports; unchanged if left out.
   * @param report - a report
   */
  comparable?(report: FaultReport): FaultReport;
  /**
   * Removes the tag of an address.
   * @param report - a report
   * @param inputs - the inputs
   */
  untag?(
    report: FaultReport,
    inputs: GivenInputs,
  ):
    | {
        /** The address without its tag. */
        readonly address: VirtAddr;
        /** The rule that ignores the tag. */
        readonly rule: Rule;
      }
    | undefined;
  /**
   * Describes a fault that tables and keys do not decide; `undefined` for other faults.
   * @param report - a report
   */
  notTables?(report: FaultReport): NotTables | undefined;
  /**
   * The check that the syndrome reports. If left out, a report without entries is not explained.
   * @param report - a report
   */
  decidedBy?(report: FaultReport): SyndromeVerdict;
  /**
   * Describes a fault that table entries can decide, but the given entries do not; `undefined` for other faults.
   * @param report - a report
   */
  beyondEntries?(report: FaultReport): NotTables | undefined;
  /**
   * Linux's text for the signal of a user fault; that of `describeFault` if left out.
   * @param report - a report
   * @param pkey - the key of the page, if known
   */
  describeSignal?(report: FaultReport, pkey: number | undefined): string;
  /** The geometries that Linux uses, the most common first; only that of the format if left out. */
  readonly geometries?: readonly Geometry[];
  /**
   * The codec of a geometry.
   * @param geometry - one of {@link geometries}
   */
  formatOf?(geometry: Geometry): PageTableFormat;
  /**
   * The parameters of the tables in the given registers.
   * @param inputs - the inputs
   * @param report - a report
   * @throws KpkeysError ERR_EXPLAIN_LIMIT for a geometry that the model does not support
   */
  geometryOf?(inputs: GivenInputs, report: FaultReport): GeometryEvidence;
  /**
   * Details of a syndrome that are not in `faultRegisters`.
   * @param report - a report
   */
  syndromeDetails(report: FaultReport): readonly string[];
  /**
   * Width of physical addresses in bits.
   * @param values - the inputs
   * @param geometry - the shape of the tables, which limits the width
   * @throws KpkeysError ERR_EXPLAIN_INPUT for an invalid width
   */
  physicalAddressBits(values: GivenInputs["values"], geometry: Geometry): number;
  /**
   * Other machines to try if the model disagrees with the report: values of inputs that were not given. None if left out.
   * @param inputs - the inputs
   * @param report - a report
   */
  otherMachines?(inputs: GivenInputs, report: FaultReport): readonly OtherMachine[];
  /**
   * The rule for the root of the walk.
   * @param setup - the access
   */
  root(setup: AccessSetup): Rule;
  /**
   * Describes an entry.
   * @param step - the entry
   * @param setup - the access
   */
  entry(step: WalkStep, setup: AccessSetup): Rule;
  /**
   * The rights of the entries and registers, without keys.
   * @param setup - the access
   * @param leaf - the leaf
   */
  baseRights(setup: AccessSetup, leaf: WalkStep): readonly Rule[];
  /**
   * The key that decides.
   * @param setup - the access
   * @param leaf - the leaf
   */
  keyUse(setup: AccessSetup, leaf: WalkStep): KeyUse;
  /**
   * The rule of a check.
   * @param kind - the check that failed; NONE if none did
   * @param setup - the access
   */
  decision(kind: FaultKind, setup: AccessSetup): Rule;
  /**
   * Changes with which a denied access may succeed. Each is tried on the CPU.
   * @param kind - the check that failed
   * @param setup - the access
   */
  whatIfs(kind: FaultKind, setup: AccessSetup): readonly WhatIf[];
}
