import { KpkeysError } from "@kpkeys/core";
import { Access, OK, Privilege, toAsid, toPfn } from "@kpkeys/core/contracts";
import type {
  ArchTools,
  Cpu,
  PhysicalMemory,
  SystemRegisters,
  Vector,
  VectorForm,
  VectorRules,
  VectorValue,
} from "@kpkeys/core/contracts";
import { carryOut, fromWords, highWord, lowWord } from "@kpkeys/core/machine";
import { createVectorCheck, quoted, invalidVector } from "./form.js";
import { buildVectorTables, readVectorEntries } from "./tables.js";
import type { VectorTables } from "./tables.js";
import type { VectorOutcome } from "./verdict.js";

/** The names of accesses in a vector. */
const ACCESSES: Readonly<Record<string, Access>> = {
  read: Access.READ,
  write: Access.WRITE,
  rmw: Access.RMW,
  fetch: Access.FETCH,
};

/**
 * Returns the access of a vector.
 *
 * @param vector - a checked line, or its prior access
 */
export function accessOf(vector: Vector): Access {
  return ACCESSES[vector["access"] as string]!;
}

/**
 * Returns the values of the field `arch` whose lines an architecture can run.
 *
 * @param tools - the architecture's tools
 */
export function vectorArches({ vectors }: ArchTools): readonly string[] {
  return [...new Set(vectors?.forms.map(({ arch }) => arch))];
}

/** A form with its check. */
interface CheckedForm {
  readonly form: VectorForm;
  readonly check: (vector: Vector) => void;
}

/** Runs an architecture's vectors. Each starts from a clean machine: an earlier vector has no effect. */
export class VectorRunner {
  private readonly tools: ArchTools;
  private readonly rules: VectorRules;
  private readonly forms: readonly CheckedForm[];

  /**
   * @param tools - the architecture's tools
   * @throws KpkeysError ERR_VECTOR_LINE if it has no vectors
   */
  constructor(tools: ArchTools) {
    if (tools.vectors === undefined) {
      throw new KpkeysError("ERR_VECTOR_LINE", "cannot run vectors: the architecture has no rules for them");
    }
    this.tools = tools;
    this.rules = tools.vectors;
    this.forms = tools.vectors.forms.map((form) => ({ form, check: createVectorCheck(form) }));
  }

  /**
   * Runs one line of a vector file: builds its tables in memory, sets the registers, makes the prior access and then the access. The
   * tables stay in memory, for a walk.
   *
   * @param vector - the parsed line
   * @param cpu - a CPU of this architecture, whose registers and TLB are overwritten
   * @param memory - the memory of that CPU, which is reset
   * @returns the judged fields with the model's values
   * @throws KpkeysError ERR_VECTOR_LINE for a field that is missing, unknown or malformed
   */
  run(vector: Vector, cpu: Cpu, memory: PhysicalMemory): VectorOutcome {
    const { format, openKeys } = this.tools.explanation;
    const { keys } = this.rules;
    const { form, check } = this.formOf(vector);
    check(vector);
    const tables = buildVectorTables(vector, memory, format.geometry.levels);
    enterTables(cpu, tables.tables[0]!);
    setRegisters(vector, cpu.systemRegisters, this.rules);

    const privilege = this.rules.privilegeOf(vector);
    const prior = vector["prior"] as Vector | undefined;
    let priorResult: VectorValue = null;
    if (prior !== undefined) {
      const { high, low } = openKeys.value;
      this.setKeys(cpu, high, low, fromWords(high, low));
      priorResult = make(cpu, tables, prior, privilege);
    }
    const kernelKeys = hexIn(vector, keys.kernel);
    this.setKeys(cpu, highWord(kernelKeys), lowWord(kernelKeys), BigInt(hexIn(vector, keys.user)));
    const result = make(cpu, tables, vector, privilege);

    const entries = "pte_after" in form.judged ? readVectorEntries(tables, memory) : undefined;
    const leaf = entries?.pop();
    return {
      result,
      "prior.result": priorResult,
      ...(entries !== undefined && { pte_after: leaf!, upper_after: entries }),
      ...this.rules.report(vector, cpu, result === "ok", leaf),
    };
  }

  /** Finds a line's form; if none fits, one of its `arch`, whose check reports the defect. */
  private formOf(vector: Vector): CheckedForm {
    const { arch } = vector;
    let found: CheckedForm | undefined;
    for (const each of this.forms) {
      const { form } = each;
      if (form.arch !== arch) continue;
      found = each;
      if (form.when === undefined || vector[form.when[0]] === form.when[1]) break;
    }
    if (found !== undefined) return found;
    throw invalidVector(vector, `field 'arch' is ${quoted(arch)}`, vectorArches(this.tools).join(" or "));
  }

  private setKeys(cpu: Cpu, high: number, low: number, user: bigint): void {
    cpu.writePkeyRegister(high, low);
    cpu.synchronise();
    cpu.systemRegisters.write(this.tools.explanation.openKeys.userRegister, user);
  }
}

/** A bit pattern of a line; 0 where it is absent. */
function hexIn(vector: Vector, field: string): string {
  return (vector[field] ?? "0x0") as string;
}

/** Switches the CPU to one root, with an empty TLB. */
function enterTables({ mmu }: Cpu, root: number): void {
  mmu.invalidateAll();
  mmu.setKernelRoot(toPfn(root));
  mmu.setUserRoot(toPfn(root), toAsid(1));
  mmu.enabled = true;
}

function setRegisters(vector: Vector, systemRegisters: SystemRegisters, { flags, registers }: VectorRules): void {
  for (const register in flags) {
    let bits = systemRegisters.read(register);
    for (const [field, mask] of flags[register]!) bits = vector[field] === 1 ? bits | mask : bits & ~mask;
    systemRegisters.write(register, bits);
  }
  for (const register in registers) systemRegisters.write(register, BigInt(hexIn(vector, registers[register]!)));
}

/** Makes an access. @param made - the vector or its prior access */
function make(cpu: Cpu, { high, low, isRam }: VectorTables, made: Vector, privilege: Privilege): "ok" | "fault" {
  const access = accessOf(made);
  const status = isRam ? carryOut(cpu, { high, low }, access, privilege) : cpu.access(high, low, access, privilege);
  return status === OK ? "ok" : "fault";
}
