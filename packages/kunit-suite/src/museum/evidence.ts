import { addressText, registerText, toBytes } from "@kpkeys/core";
import {
  ArchTools,
  Exceptions,
  Kpkeys,
  LinearMap,
  PageKeys,
  PageTableFormat,
  PkeyRegister,
  toPfn,
} from "@kpkeys/core/contracts";
import type { FaultReport, WalkStep, Words } from "@kpkeys/core/contracts";
import { coverageOf, KernelFault } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import type { Finding, KeyRights } from "./exhibit.js";

/**
 * The linear address of a page.
 * @param machine - the machine
 * @param pfn - page-frame number
 */
export function linearAddress(machine: Machine, pfn: number): Words {
  return machine.get(LinearMap).address(toPfn(pfn));
}

/** The entries that translate an address on the current CPU, from the root down. The walk has no side effects. */
function walkOf({ cpus }: Machine, { high, low }: Words): readonly WalkStep[] {
  const steps: WalkStep[] = [];
  cpus.current.mmu.walk(high, low, (step) => steps.push({ ...step }));
  return steps;
}

/**
 * The leaf that maps an address.
 * @param machine - the machine
 * @param address - the address
 * @returns the last step of the walk, whose type may be `invalid`, and the key of the page
 */
export function leafOf(machine: Machine, address: Words): WalkStep & { readonly pkey: number } {
  const leaf = walkOf(machine, address).at(-1)!;
  const { levels, pageShift } = machine.get(PageTableFormat).geometry;
  const page = (address.low & (2 ** levels[leaf.level]!.shift - 1)) >>> pageShift;
  return { ...leaf, pkey: machine.get(PageKeys).ofLeaf(leaf.high, leaf.low, page) };
}

/** The rights on a key in a value of the key register, and a line that prints them. */
function rightsOn(machine: Machine, pkey: number, { high, low }: Words): KeyRights & { readonly text: string } {
  const register = machine.get(PkeyRegister);
  const key = machine.get(Kpkeys).pkeyNames.get(pkey) ?? null;
  const rights = register.rightsOf(high, low, pkey);
  const text = `${register.name}=${registerText(high, low)} gives ${rights} on pkey ${pkey} (${key ?? "not registered"})`;
  return { pkey, key, rights, text };
}

/**
 * The rights on a key in the key register of the current CPU.
 * @param machine - the machine
 * @param pkey - the key's number
 * @returns the rights, and a line that prints them
 */
export function liveRights(machine: Machine, pkey: number): KeyRights & { readonly text: string } {
  return rightsOn(machine, pkey, liveRegister(machine));
}

/**
 * The value of the key register of the current CPU.
 * @param machine - the machine
 */
export function liveRegister({ cpus: { current } }: Machine): Words {
  return { high: current.pkeyRegisterHigh, low: current.pkeyRegisterLow };
}

/** Prints a fault as an oops does: the headline, the entries of the walk, and the key that decided. */
function faultFinding(machine: Machine, report: FaultReport, where: string, headline: string): Omit<Finding, "seen"> {
  const { addressHigh, addressLow, kind, level, syndromeHigh, syndromeLow } = report;
  const entries = walkOf(machine, { high: addressHigh, low: addressLow }).map(
    (step) => `${machine.levelNames[step.level]!}=${registerText(step.high, step.low)}`,
  );
  const register = { high: report.pkeyRegisterHigh, low: report.pkeyRegisterLow };
  const { text, ...rights } = rightsOn(machine, report.pkey, register);
  const lines = [
    headline,
    `[${addressText(addressHigh, addressLow)}] ${entries.join(", ")}`,
    `decided at level ${level}: ${text}`,
  ];
  return {
    evidence: lines.join("\n"),
    facts: { fault: { where, kind, syndrome: registerText(syndromeHigh, syndromeLow), ...rights } },
  };
}

/**
 * Runs kernel code that must not fault.
 * @param machine - the machine
 * @param call - the code
 * @param otherwise - the evidence and facts if it does not fault
 * @returns seen, with the oops, if the kernel faults
 */
export function oopsIn(machine: Machine, call: () => void, otherwise: () => Omit<Finding, "seen">): Finding {
  try {
    call();
  } catch (error) {
    if (!(error instanceof KernelFault)) throw error;
    return { seen: true, ...faultFinding(machine, error.report, error.where!, error.message) };
  }
  return { seen: false, ...otherwise() };
}

/**
 * Makes a probe store: writes the value of a word of a page to the same word, in the current context of the CPU.
 * @param machine - the machine
 * @param pfn - the page
 * @param code - the code that stores, for the evidence
 * @param word - index of the 64-bit word
 * @returns seen if the store succeeds, otherwise the fault report
 */
export function probeStore(machine: Machine, pfn: number, code: string, word = 0): Finding {
  const { high, low: pageLow } = linearAddress(machine, pfn);
  const low = pageLow | (word * 8);
  const value = toBytes(machine.memory.read(toPfn(pfn), word), machine.memory.byteOrder);
  const errno = machine.get(Exceptions).copyToKernelNofault({ high, low }, value);
  const where = `${code}, CPU ${machine.cpus.current.id}`;
  if (errno !== 0) {
    const { fault } = machine.cpus.current;
    const tools = machine.get(ArchTools);
    const registers = tools.faultRegisters(fault).map(({ name, text }) => `${name}=${text}`);
    const headline = `${where}: ${tools.describeFault(fault)} (${registers.join(" ")})`;
    return { seen: false, ...faultFinding(machine, fault, where, headline) };
  }
  const leaf = leafOf(machine, { high, low });
  const { text, ...rights } = liveRights(machine, leaf.pkey);
  return {
    seen: true,
    evidence: [
      `${where}: a store to page ${pfn} at ${addressText(high, low)} succeeded`,
      `its leaf is ${registerText(leaf.high, leaf.low)} at level ${leaf.level}`,
      text,
    ].join("\n"),
    facts: { store: { where, pfn, ...rights } },
  };
}

/**
 * Searches for open table pages with the coverage scanner.
 * @param machine - the machine
 * @param source - the source of the pages that count. Default: all sources
 * @returns seen if a table page of the source is open
 */
export function scan(machine: Machine, source?: string): Finding {
  const { pages, keyed, readOnly, gaps } = coverageOf(machine, machine.scan());
  const count = `${pages} table pages, ${keyed} keyed, ${readOnly} read-only`;
  const open = gaps
    .filter((gap) => source === undefined || gap.source === source)
    .map((gap) => ({ gap, leaf: leafOf(machine, linearAddress(machine, gap.table)) }));
  if (open.length === 0) {
    const what = source === undefined ? "no page" : `no page of source ${source}`;
    return { seen: false, evidence: `${count}: ${what} is open`, facts: { open: [] } };
  }
  const lines = open.map(({ gap: { source, level, mapping, pages, address, table }, leaf }) => {
    const where = mapping === "linear" ? "in the linear map" : "in another mapping";
    return `${source} ${level}: ${pages} open ${where}, first page ${table} at ${address}, leaf ${registerText(leaf.high, leaf.low)} with pkey ${leaf.pkey}`;
  });
  return {
    seen: true,
    evidence: [count, ...lines].join("\n"),
    facts: {
      open: open.map(({ gap: { source, level, mapping, pages }, leaf: { pkey } }) => ({
        source,
        level,
        mapping,
        pages,
        pkey,
      })),
    },
  };
}
