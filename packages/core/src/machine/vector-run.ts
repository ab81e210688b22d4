import { Access, OK, Privilege } from "../contracts/index.js";
import type { ArchTools, Cpu, SystemRegisters, VectorValue, Words } from "../contracts/index.js";
import type { LevelDecoding } from "./regime.js";
import { createVectorCheck, quoted, refuseVector } from "./vector-form.js";
import type { Vector, VectorForm } from "./vector-form.js";
import { buildVectorTables, readVectorEntries } from "./vector-tables.js";
import type { VectorTables } from "./vector-tables.js";
import { fromWords, highWord, lowWord } from "./words.js";

/** How an architecture carries out its vectors. */
export interface VectorRules {
  /** The forms of its lines. */
  readonly forms: readonly VectorForm[];
  /** The levels of its tables, the top one first. */
  readonly levels: readonly LevelDecoding[];
  /** Flags of a line by the register that holds them, with their bits there. Bits that no flag names stay as they are. */
  readonly flags: Readonly<Record<string, readonly (readonly [field: string, bits: bigint])[]>>;
  /** Registers that are a field of a line as a whole, with that field. */
  readonly registers: Readonly<Record<string, string>>;
  /** The two key registers. */
  readonly keys: {
    /** Field of the kernel's. */
    readonly kernel: string;
    /** Field of the user's. */
    readonly user: string;
    /** Name of the user's among the system registers. */
    readonly userRegister: string;
    /** The value of both that withholds nothing. */
    readonly open: Words;
  };
  /**
   * On whose behalf a line's access is made.
   * @param vector - the line
   */
  privilegeOf(vector: Vector): Privilege;
  /**
   * Adds what the architecture judges beside result and entries.
   * @param fields - what is known so far; takes the fields of the line's form
   * @param vector - the line
   * @param cpu - the CPU after the access
   * @param ok - whether the access went through
   */
  report(fields: Record<string, VectorValue>, vector: Vector, cpu: Cpu, ok: boolean): void;
}

/** What a vector calls the accesses. */
const ACCESSES: Readonly<Record<string, Access>> = {
  read: Access.READ,
  write: Access.WRITE,
  rmw: Access.RMW,
  fetch: Access.FETCH,
};

/**
 * Makes the function that carries out an architecture's vectors, each on its own: nothing that an earlier one left behind
 * decides anything.
 *
 * @param rules - the architecture's part
 * @returns `ArchTools.runVector`
 */
export function createVectorRunner(rules: VectorRules): ArchTools["runVector"] {
  const { levels, keys } = rules;
  const openUser = fromWords(keys.open.high, keys.open.low);
  const formOf = createFormChoice(rules.forms);

  return (vector, cpu, memory) => {
    const { form, check } = formOf(vector);
    check(vector);
    const tables = buildVectorTables(vector, memory, levels);
    enterTables(cpu, tables.tables[0]!);
    setRegisters(vector, cpu.systemRegisters, rules);

    const privilege = rules.privilegeOf(vector);
    const prior = vector["prior"] as Vector | undefined;
    let priorResult: VectorValue = null;
    if (prior !== undefined) {
      setKeys(cpu, keys.open.high, keys.open.low, openUser);
      priorResult = make(cpu, tables, prior, privilege);
    }
    const kernelKeys = hexIn(vector, keys.kernel);
    setKeys(cpu, highWord(kernelKeys), lowWord(kernelKeys), BigInt(hexIn(vector, keys.user)));
    const result = make(cpu, tables, vector, privilege);

    const fields: Record<string, VectorValue> = { result, "prior.result": priorResult };
    if ("pte_after" in form.judged) {
      const entries = readVectorEntries(tables, memory);
      fields["pte_after"] = entries.pop()!;
      fields["upper_after"] = entries;
    }
    rules.report(fields, vector, cpu, result === "ok");
    return { fields };
  };

  function setKeys(cpu: Cpu, high: number, low: number, user: bigint): void {
    cpu.writePkeyRegister(high, low);
    cpu.synchronise();
    cpu.systemRegisters.write(keys.userRegister, user);
  }
}

/** A form with its check. */
interface CheckedForm {
  readonly form: VectorForm;
  readonly check: (vector: Vector) => void;
}

/** @returns finds a line's form; where none fits, one of its `arch`, whose check says what is wrong */
function createFormChoice(forms: readonly VectorForm[]): (vector: Vector) => CheckedForm {
  const all = forms.map((form) => ({ form, check: createVectorCheck(form) }));
  const arches = [...new Set(forms.map(({ arch }) => arch))];

  return (vector) => {
    const { arch } = vector;
    let found: CheckedForm | undefined;
    for (const each of all) {
      const { form } = each;
      if (form.arch !== arch) continue;
      found = each;
      if (form.when === undefined || vector[form.when[0]] === form.when[1]) break;
    }
    if (found !== undefined) return found;
    throw refuseVector(vector, `field 'arch' is ${quoted(arch)}`, arches.join(" or "));
  };
}

/** A bit pattern of a line; 0 where it is absent. */
function hexIn(vector: Vector, field: string): string {
  return (vector[field] ?? "0x0") as string;
}

/** Has the CPU translate by one root and by nothing that it remembers. */
function enterTables({ mmu }: Cpu, root: number): void {
  mmu.invalidateAll();
  mmu.setKernelRoot(root);
  mmu.setUserRoot(root, 1);
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

/** Makes a vector's access; `made` is the vector or its prior access. */
function make(cpu: Cpu, { high, low, isRam }: VectorTables, made: Vector, privilege: Privilege): "ok" | "fault" {
  const access = ACCESSES[made["access"] as string]!;
  const status = isRam ? carryOut(cpu, { high, low }, access, privilege) : cpu.access(high, low, access, privilege);
  return status === OK ? "ok" : "fault";
}

/**
 * Makes an access in the way in which the kernel makes it: a load, store or exchange where there is one, so that the vectors
 * judge those too.
 *
 * @param cpu - the CPU
 * @param address - the address accessed; data accesses of the kernel need RAM behind it
 * @param access - what is done
 * @param privilege - on whose behalf
 * @returns the status of the access
 */
export function carryOut(cpu: Cpu, { high, low }: Words, access: Access, privilege: Privilege): number {
  if (privilege !== Privilege.KERNEL || access === Access.FETCH) return cpu.access(high, low, access, privilege);
  if (access === Access.READ) return cpu.load64(high, low);
  return access === Access.WRITE ? cpu.store64(high, low, 0, 1) : cpu.exchange64(high, low, 0, 1);
}
