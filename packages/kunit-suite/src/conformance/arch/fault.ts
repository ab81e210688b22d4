import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import type { Plugin, ProtectionName } from "@kpkeys/core/contracts";
import { toWords } from "@kpkeys/core/machine";
import { explain as explainFault, explainInputs } from "@kpkeys/explain";
import type { DecidingRule } from "@kpkeys/explain";
import { Bench } from "../bench.js";
import type { ConformanceRule } from "../rule.js";
import { accessText, checkOutcome, valueText } from "../text.js";

/** An access that faults, with the expected report. */
interface FaultCase {
  readonly name: string;
  readonly access: Access;
  readonly kind: FaultKind;
  readonly decidedBy: DecidingRule;
  /** The protection of the page; nothing is mapped if left out. */
  readonly protection?: ProtectionName;
  /** Whether the page has the managed key. */
  readonly managed?: boolean;
}

const CASES: readonly FaultCase[] = [
  {
    name: "a write to a page whose key is read-only",
    access: Access.WRITE,
    kind: FaultKind.PKEY,
    decidedBy: "key",
    protection: "PAGE_KERNEL",
    managed: true,
  },
  {
    name: "a write to a read-only page",
    access: Access.WRITE,
    kind: FaultKind.PERMISSION,
    decidedBy: "base",
    protection: "PAGE_KERNEL_RO",
  },
  {
    name: "a fetch from a data page",
    access: Access.FETCH,
    kind: FaultKind.PERMISSION,
    decidedBy: "base",
    protection: "PAGE_KERNEL",
  },
  {
    name: "a read of an unmapped address",
    access: Access.READ,
    kind: FaultKind.TRANSLATION,
    decidedBy: "translation",
  },
];

/** Makes the access of a case on a new bench, with the initial value of the key register. */
function faultOf(
  plugin: Plugin,
  { protection, managed = false, access }: FaultCase,
): { bench: Bench; address: bigint; kind: FaultKind | undefined; pkey: number } {
  const bench = new Bench(plugin);
  const address = bench.pgtable.layout.vmallocStart + 0x8n;
  const pkey = managed ? bench.managed : 0;
  if (protection === undefined) bench.put(address, bench.lastLevel, { high: 0, low: 0 });
  else bench.mapPage(address, protection, pkey);
  bench.setRegister(bench.kpkeys.initialValue());
  return { bench, address, pkey, kind: bench.attempt(address, access) };
}

const reports: ConformanceRule = {
  id: "fault/report",
  sentence:
    "the report of a fault has the address, the access, the level, the leaf, its key and the value of the key register, and the fault is counted",
  source: "contract FaultReport; Arm ARM, ESR_EL1 and FAR_EL1; SDM volume 3, Page-Fault Exceptions",
  check({ plugin }, report) {
    for (const each of CASES) {
      const { bench, address, pkey, kind } = faultOf(plugin, each);
      if (!checkOutcome(report, each.name, kind, each.kind)) continue;
      const mapped = each.protection !== undefined;
      const { fault, counters } = bench.cpu;
      const value = bench.kpkeys.initialValue();
      const { high, low } = each.access === Access.FETCH ? (value.fetch ?? value) : value;
      const expected = {
        ...toWords(address),
        access: each.access,
        privilege: Privilege.KERNEL,
        level: bench.lastLevel,
        pkey,
        counted: 1,
      };
      const found = {
        high: fault.addressHigh,
        low: fault.addressLow,
        access: fault.access,
        privilege: fault.privilege,
        level: fault.level,
        pkey: mapped ? fault.pkey : pkey,
        counted: counters.faults,
      };
      if (JSON.stringify(Object.entries(found).sort()) !== JSON.stringify(Object.entries(expected).sort())) {
        report(`${each.name}: the report is ${JSON.stringify(found)}; expected ${JSON.stringify(expected)}`);
      }
      if (mapped && bench.format.pfnOf(fault.entryHigh, fault.entryLow) !== bench.dataPfn)
        report(`${each.name}: the entry in the report is not the leaf`);
      if (fault.pkeyRegisterHigh !== high || fault.pkeyRegisterLow !== low) {
        report(
          `${each.name}: the key register in the report is ${valueText({ high: fault.pkeyRegisterHigh, low: fault.pkeyRegisterLow })}; expected ${valueText({ high, low })}`,
        );
      }
    }
  },
};

const words: ConformanceRule = {
  id: "fault/words",
  sentence: "a fault is described in one line and by named registers; the descriptions of different faults differ",
  source: "contract ArchTools.describeFault and faultRegisters",
  check({ plugin }, report) {
    const descriptions = new Map<string, string>();
    for (const each of CASES) {
      const { bench } = faultOf(plugin, each);
      const line = bench.tools.describeFault(bench.cpu.fault);
      const registers = bench.tools.faultRegisters(bench.cpu.fault);
      if (line.trim() === "" || line.includes("\n"))
        report(`${each.name}: the description is ${JSON.stringify(line)}; expected one line`);
      if (registers.length === 0 || registers.some(({ name, text }) => name === "" || text === "")) {
        report(`${each.name}: the registers are ${JSON.stringify(registers)}; expected names and values`);
      }
      const all = `${line} ${JSON.stringify(registers)}`;
      const same = descriptions.get(all);
      if (same !== undefined) report(`${each.name} has the same description as ${same}`);
      descriptions.set(all, each.name);
    }
  },
};

const explain: ConformanceRule = {
  id: "fault/explain",
  sentence: "explain finds the deciding rule of a fault from its registers and its entries, and agrees with the report",
  source: "contract ArchTools.explanation",
  check({ plugin }, report) {
    for (const each of CASES) {
      const { bench, address } = faultOf(plugin, each);
      const { tools, cpu, kpkeys, objects, register, format } = bench;
      const inputRules = explainInputs(tools);
      const inputs: Record<string, string> = {};
      for (const { name, text } of tools.faultRegisters(cpu.fault)) {
        const input = inputRules.find(({ label }) => label.toLowerCase() === name.toLowerCase());
        const [value] = /0x[\da-f]+/i.exec(text) ?? [];
        if (input !== undefined && value !== undefined) inputs[input.name] = value;
      }
      const { name, fetchName = name } = register;
      const deciding = each.access === Access.FETCH ? fetchName : name;
      const keys = inputRules.find(({ label }) => label === deciding);
      if (keys === undefined) report(`${deciding} is not an input of explain`);
      else inputs[keys.name] = valueText({ high: cpu.fault.pkeyRegisterHigh, low: cpu.fault.pkeyRegisterLow });
      const { high, low } = toWords(address);
      cpu.mmu.walk(high, low, (step) => {
        inputs[format.geometry.levels[step.level]!.name] = valueText(step);
      });
      const missing = inputRules.filter(({ name, required }) => required && inputs[name] === undefined);
      if (missing.length > 0) {
        report(
          `${each.name}: faultRegisters lacks ${missing.map(({ label }) => label).join(", ")}, which explain requires`,
        );
        continue;
      }
      const { verdict, reasons } = explainFault({ inputs }, tools, { kpkeys, objects });
      if (verdict.result !== "fault" || verdict.decidedBy !== each.decidedBy) {
        report(
          `${each.name}, ${accessText(each.access, Privilege.KERNEL)}: explained as ${verdict.result}, decided by ${verdict.decidedBy}; expected a fault decided by ${each.decidedBy}`,
        );
      }
      if (!verdict.agrees) report(`${each.name}: the explanation does not agree with the report: ${verdict.text}`);
      if (reasons.length === 0) report(`${each.name}: the explanation has no reason`);
    }
  },
};

/** Rules of fault reports. */
export const FAULT_RULES: readonly ConformanceRule[] = [reports, words, explain];
