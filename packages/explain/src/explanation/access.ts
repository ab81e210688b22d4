import { KpkeysError } from "@kpkeys/core";
import { OK, toAsid, toLevel, toPfn } from "@kpkeys/core/contracts";
import type { AccessSetup, ExplainRules, FaultReport, WalkStep } from "@kpkeys/core/contracts";
import { createPhysicalMemory, fromWords, toWords } from "@kpkeys/core/machine";
import { addressIn } from "./entries.js";

/** The result of an access. */
export interface Attempt {
  /** Whether the access succeeded. */
  readonly ok: boolean;
  /** The CPU's fault report, if it failed. */
  readonly fault: FaultReport;
  /** The walk, with the entries before the access; empty if the address is not walked. */
  readonly steps: readonly WalkStep[];
  /** The entries after the access. */
  readonly after: readonly bigint[];
}

/** Moves the tables to neighbouring frames, so that a small memory holds them. Equal addresses stay equal, and different ones different. */
function relocate({ entries, format, physicalAddressBits }: AccessSetup): {
  readonly moved: readonly bigint[];
  readonly tables: readonly number[];
} {
  const { pageShift } = format.geometry;
  const limit = 2 ** (physicalAddressBits - pageShift);
  const frames = new Map<number, number>();
  const tables = [0];
  const moved = entries.map((entry, level) => {
    const { high, low } = toWords(entry);
    const pfn = format.pfnOf(high, low);
    if (level === entries.length - 1) return entry;
    // A table above the physical address width is not read: the entry that points to it faults first.
    if (pfn >= limit) {
      tables.push(pfn);
      return entry;
    }
    const frame = frames.get(pfn) ?? frames.size + 1;
    frames.set(pfn, frame);
    tables.push(frame);
    return entry ^ addressIn(format, pfn) ^ addressIn(format, frame);
  });
  return { moved, tables };
}

/**
 * Makes an access on a new CPU: builds the tables, sets the registers, walks and accesses.
 *
 * @param rules - the architecture's CPU
 * @param setup - the access
 * @throws KpkeysError ERR_EXPLAIN_INPUT if two entries have the same address
 */
export function attemptAccess(rules: ExplainRules, setup: AccessSetup): Attempt {
  const { format } = setup;
  const { levels, splitRoots } = format.geometry;
  const { high, low } = toWords(setup.address);
  const { moved, tables } = relocate(setup);
  const memory = createPhysicalMemory([{ firstPfn: toPfn(0), pages: tables.length }], format.geometry);
  const slots = tables.map((table, level) => ({ table: toPfn(table), index: format.index(toLevel(level), high, low) }));
  slots.forEach(({ table, index }, level) => {
    const above = slots.findIndex((slot) => slot.table === table && slot.index === index);
    if (above !== level) {
      throw new KpkeysError(
        "ERR_EXPLAIN_INPUT",
        `${levels[above]!.name} and ${levels[level]!.name} have the same address`,
        {
          expected: "tables at different addresses",
        },
      );
    }
    if (memory.contains(table)) memory.writeEntry(table, index, toWords(moved[level]!));
  });

  const cpu = rules.createCpu(memory, setup.physicalAddressBits, format.geometry);
  for (const [name, value] of Object.entries(setup.registers)) cpu.systemRegisters.write(name, value);
  const keys = toWords(setup.pkeyRegister);
  cpu.writePkeyRegister(keys.high, keys.low);
  if (setup.fetchRegister !== undefined) {
    const fetch = toWords(setup.fetchRegister);
    cpu.writeFetchRegister(fetch.high, fetch.low);
  }
  cpu.synchronise();
  if (splitRoots) cpu.mmu.setUserRoot(toPfn(tables[0]!), toAsid(1));
  cpu.mmu.setKernelRoot(toPfn(tables[0]!));
  cpu.mmu.enabled = true;

  const steps: WalkStep[] = [];
  cpu.mmu.walk(high, low, (step) => steps.push({ ...step, ...toWords(setup.entries[step.level]!) }));
  const status = cpu.access(high, low, setup.access, setup.privilege);
  const after = slots.map(({ table, index }, level) => {
    const entry = setup.entries[level]!;
    if (!memory.contains(table)) return entry;
    const now = memory.readEntry(table, index);
    return entry ^ moved[level]! ^ fromWords(now.high, now.low);
  });
  return { ok: status === OK, fault: { ...cpu.fault }, steps, after };
}
