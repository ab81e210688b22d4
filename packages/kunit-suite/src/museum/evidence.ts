import { addressText, registerText, toBytes } from "@kpkeys/core";
import { ArchTools, Exceptions, Kpkeys, LinearMap, PageTableFormat, PkeyRegister, toPfn } from "@kpkeys/core/contracts";
import type { FaultReport, WalkStep, Words } from "@kpkeys/core/contracts";
import { coverageOf, KernelFault } from "@kpkeys/kernel";
import type { Coverage, Machine } from "@kpkeys/kernel";
import type { Finding } from "./exhibit.js";

/**
 * The linear address of a page.
 * @param machine - its machine
 * @param pfn - page-frame number
 */
export function linearAddress(machine: Machine, pfn: number): Words {
  return machine.get(LinearMap).address(toPfn(pfn));
}

/**
 * The entries that translate an address, from the root down, as an oops shows them.
 * @param machine - whose current CPU walks, without side effects
 * @param address - the address
 */
function walkOf({ cpus }: Machine, { high, low }: Words): readonly WalkStep[] {
  const steps: WalkStep[] = [];
  cpus.current.mmu.walk(high, low, (step) => steps.push({ ...step }));
  return steps;
}

/**
 * The leaf that maps an address: its entry, and the key in it.
 * @param machine - whose tables are walked
 * @param address - the address
 * @returns the last step of the walk, whose type says whether it is a leaf, with the key that it names
 */
export function leafOf(machine: Machine, address: Words): WalkStep & { readonly pkey: number } {
  const leaf = walkOf(machine, address).at(-1)!;
  return { ...leaf, pkey: machine.get(PageTableFormat).pkeyOf(leaf.high, leaf.low) };
}

/** What the live register of the current CPU gives on a key. */
function rightsText(machine: Machine, pkey: number, high: number, low: number): string {
  const register = machine.get(PkeyRegister);
  const name = machine.get(Kpkeys).pkeyNames.get(pkey) ?? "nobody's";
  return `${register.name}=${registerText(high, low)} gives ${register.rightsOf(high, low, pkey)} on pkey ${pkey} (${name})`;
}

/**
 * What the key register of the current CPU gives on a key, in words.
 * @param machine - the machine
 * @param pkey - the key's number
 */
export function liveRightsText(machine: Machine, pkey: number): string {
  const { pkeyRegisterHigh, pkeyRegisterLow } = machine.cpus.current;
  return rightsText(machine, pkey, pkeyRegisterHigh, pkeyRegisterLow);
}

/** A fault as an oops shows it: the registers, the entries of the walk, and the key. */
function faultText(machine: Machine, report: FaultReport, headline: string): string {
  const { addressHigh, addressLow, pkey, level, pkeyRegisterHigh, pkeyRegisterLow } = report;
  const entries = walkOf(machine, { high: addressHigh, low: addressLow }).map(
    (step) => `${machine.levelNames[step.level]!}=${registerText(step.high, step.low)}`,
  );
  return [
    headline,
    `[${addressText(addressHigh, addressLow)}] ${entries.join(", ")}`,
    `decided at level ${level}: ${rightsText(machine, pkey, pkeyRegisterHigh, pkeyRegisterLow)}`,
  ].join("\n");
}

/**
 * Runs something that the kernel should get through.
 * @param machine - the machine
 * @param call - what the kernel does
 * @param otherwise - the evidence when it does
 * @returns seen, with the oops, when the kernel faults
 */
export function oopsIn(machine: Machine, call: () => void, otherwise: () => string): Finding {
  try {
    call();
  } catch (error) {
    if (error instanceof KernelFault) return { seen: true, evidence: faultText(machine, error.report, error.message) };
    throw error;
  }
  return { seen: false, evidence: otherwise() };
}

/**
 * What an attacker with a write primitive does: stores the value already there to a word of a page, in whatever context
 * the CPU is.
 * @param machine - the machine under attack
 * @param pfn - the page
 * @param who - whose code the primitive is in, for the evidence
 * @param word - index of the 64-bit word
 * @returns seen when the store goes through; the fault report when it does not
 */
export function strayStore(machine: Machine, pfn: number, who: string, word = 0): Finding {
  const { high, low: pageLow } = linearAddress(machine, pfn);
  const low = pageLow | (word * 8);
  const value = toBytes(machine.memory.read(toPfn(pfn), word));
  const errno = machine.get(Exceptions).copyToKernelNofault({ high, low }, value);
  if (errno !== 0) {
    const { fault } = machine.cpus.current;
    const headline = `${machine.get(ArchTools).describeFault(fault)} (${faultRegistersText(machine, fault)})`;
    return { seen: false, evidence: faultText(machine, fault, `${who}, CPU ${machine.cpus.current.id}: ${headline}`) };
  }
  const leaf = leafOf(machine, { high, low });
  return {
    seen: true,
    evidence: [
      `${who}, CPU ${machine.cpus.current.id}: a store to page ${pfn} at ${addressText(high, low)} went through`,
      `its leaf is ${registerText(leaf.high, leaf.low)} at level ${leaf.level}`,
      liveRightsText(machine, leaf.pkey),
    ].join("\n"),
  };
}

function faultRegistersText(machine: Machine, fault: FaultReport): string {
  const registers = machine.get(ArchTools).faultRegisters(fault);
  return registers.map(({ name, text }) => `${name}=${text}`).join(" ");
}

/**
 * Lets the coverage scanner look for table pages that are open.
 * @param machine - the machine, as it stands
 * @param concerns - which of its gaps are the exhibit's; all if left out
 * @returns seen when there is such a gap
 */
export function scan(machine: Machine, concerns: (gap: Coverage["gaps"][number]) => boolean = () => true): Finding {
  const { pages, keyed, readOnly, gaps } = coverageOf(machine, machine.scan());
  const open = gaps.filter(concerns);
  const count = `${pages} table pages, ${keyed} keyed, ${readOnly} read-only`;
  if (open.length === 0) return { seen: false, evidence: `${count}: nothing of that is open` };
  const lines = open.map(({ source, level, mapping, pages: number, address, table }) => {
    const leaf = leafOf(machine, linearAddress(machine, table));
    const where = mapping === "linear" ? "in the linear map" : "by another mapping";
    return `${source} ${level}: ${number} open ${where}, first page ${table} at ${address}, leaf ${registerText(leaf.high, leaf.low)} with pkey ${leaf.pkey}`;
  });
  return { seen: true, evidence: [count, ...lines].join("\n") };
}
