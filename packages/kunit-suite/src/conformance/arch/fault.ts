import { Access, FaultKind, Privilege } from "@kpkeys/core/contracts";
import { toWords } from "@kpkeys/core/machine";
import { explain as explainFault, explainInputs } from "@kpkeys/explain";
import type { DecidingRule } from "@kpkeys/explain";
import { createBench } from "../bench.js";
import type { Bench } from "../bench.js";
import type { ConformanceRule } from "../rule.js";
import { accessText, outcomeText, valueText } from "../text.js";

/** An access that faults, with what the report has to say. */
interface FaultCase {
  readonly name: string;
  readonly access: Access;
  readonly kind: FaultKind;
  readonly decidedBy: DecidingRule;
  /** Maps what is accessed. @returns the key of the leaf, and whether there is one */
  prepare(bench: Bench, address: bigint, level: number): { readonly pkey: number; readonly mapped: boolean };
}

function map(
  bench: Bench,
  address: bigint,
  level: number,
  readOnly: boolean,
  pkey: number,
): { pkey: number; mapped: true } {
  const { PAGE_KERNEL, PAGE_KERNEL_RO } = bench.format.protections;
  bench.put(address, level, bench.leaf(level, bench.dataPfn, readOnly ? PAGE_KERNEL_RO : PAGE_KERNEL, pkey));
  return { pkey, mapped: true };
}

const CASES: readonly FaultCase[] = [
  {
    name: "a write to a page whose key is read-only",
    access: Access.WRITE,
    kind: FaultKind.PKEY,
    decidedBy: "key",
    prepare: (bench, address, level) => map(bench, address, level, false, bench.managed),
  },
  {
    name: "a write to a read-only page",
    access: Access.WRITE,
    kind: FaultKind.PERMISSION,
    decidedBy: "base",
    prepare: (bench, address, level) => map(bench, address, level, true, 0),
  },
  {
    name: "a fetch from a data page",
    access: Access.FETCH,
    kind: FaultKind.PERMISSION,
    decidedBy: "base",
    prepare: (bench, address, level) => map(bench, address, level, false, 0),
  },
  {
    name: "a read where nothing is mapped",
    access: Access.READ,
    kind: FaultKind.TRANSLATION,
    decidedBy: "translation",
    prepare(bench, address, level) {
      bench.put(address, level, { high: 0, low: 0 });
      return { pkey: 0, mapped: false };
    },
  },
];

/** Sets a case up on a bench of its own, in the DEFAULT context's rights, and makes the access. */
function faultOf(
  plugin: Parameters<typeof createBench>[0],
  each: FaultCase,
): { bench: Bench; address: bigint; kind: FaultKind | undefined; pkey: number; mapped: boolean; level: number } {
  const bench = createBench(plugin);
  const address = bench.pgtable.layout.vmallocStart + 0x8n;
  const level = bench.format.geometry.levels.length - 1;
  const { pkey, mapped } = each.prepare(bench, address, level);
  bench.setRegister(bench.kpkeys.initialValue());
  return { bench, address, level, pkey, mapped, kind: bench.attempt(address, each.access) };
}

const report: ConformanceRule = {
  id: "fault/report",
  sentence:
    "a fault's report has the address, the access, the level, the leaf, its key and the register that decided, and is counted",
  source: "contract FaultReport; Arm ARM, ESR_EL1 and FAR_EL1; SDM volume 3, Page-Fault Exceptions",
  check({ plugin }, tell) {
    for (const each of CASES) {
      const { bench, address, level, pkey, mapped, kind } = faultOf(plugin, each);
      if (kind !== each.kind) {
        tell(`${each.name}: ${outcomeText(kind)}; expected: ${outcomeText(each.kind)}`);
        continue;
      }
      const { fault, counters } = bench.cpu;
      const { high, low } = bench.kpkeys.initialValue();
      const expected = {
        ...toWords(address),
        access: each.access,
        privilege: Privilege.KERNEL,
        level,
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
        tell(`${each.name}: the report says ${JSON.stringify(found)}; expected ${JSON.stringify(expected)}`);
      }
      if (mapped && bench.format.pfnOf(fault.entryHigh, fault.entryLow) !== bench.dataPfn)
        tell(`${each.name}: the entry reported is not the leaf`);
      if (fault.pkeyRegisterHigh !== high || fault.pkeyRegisterLow !== low) {
        tell(
          `${each.name}: the register reported is ${valueText({ high: fault.pkeyRegisterHigh, low: fault.pkeyRegisterLow })}, ${valueText({ high, low })} decided`,
        );
      }
    }
  },
};

const words: ConformanceRule = {
  id: "fault/words",
  sentence: "a fault is told in one line, and in registers by name; different faults in different words",
  source: "contract ArchTools.describeFault and faultRegisters",
  check({ plugin }, tell) {
    const told = new Map<string, string>();
    for (const each of CASES) {
      const { bench } = faultOf(plugin, each);
      const line = bench.tools.describeFault(bench.cpu.fault);
      const registers = bench.tools.faultRegisters(bench.cpu.fault);
      if (line.trim() === "" || line.includes("\n"))
        tell(`${each.name}: it is told in ${line.split("\n").length} lines: ${JSON.stringify(line)}`);
      if (registers.length === 0 || registers.some(({ name, text }) => name === "" || text === "")) {
        tell(`${each.name}: the registers are ${JSON.stringify(registers)}`);
      }
      const all = `${line} ${JSON.stringify(registers)}`;
      const same = told.get(all);
      if (same !== undefined) tell(`${each.name} is told in the words of ${same}`);
      told.set(all, each.name);
    }
  },
};

const explain: ConformanceRule = {
  id: "fault/explain",
  sentence:
    "from its registers and its entries alone a fault is explained: what decided it, in agreement with the report",
  source: "contract ArchTools.explanation",
  check({ plugin }, tell) {
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
      const keys = inputRules.find(({ label }) => label === register.name);
      if (keys === undefined) tell(`${register.name} is no input of an explanation`);
      else inputs[keys.name] = valueText({ high: cpu.fault.pkeyRegisterHigh, low: cpu.fault.pkeyRegisterLow });
      const { high, low } = toWords(address);
      cpu.mmu.walk(high, low, (step) => {
        inputs[format.geometry.levels[step.level]!.name] = valueText(step);
      });
      const missing = inputRules.filter(({ name, required }) => required && inputs[name] === undefined);
      if (missing.length > 0) {
        tell(
          `${each.name}: faultRegisters does not tell ${missing.map(({ label }) => label).join(", ")}, which explain requires`,
        );
        continue;
      }
      const { verdict, reasons } = explainFault({ inputs }, tools, { kpkeys, objects });
      if (verdict.result !== "fault" || verdict.decidedBy !== each.decidedBy) {
        tell(
          `${each.name}, ${accessText(each.access, Privilege.KERNEL)}: explained as ${verdict.result}, decided by ${verdict.decidedBy}; ${each.decidedBy} expected`,
        );
      }
      if (!verdict.agrees) tell(`${each.name}: the explanation does not agree with the report: ${verdict.text}`);
      if (reasons.length === 0) tell(`${each.name}: no reason is given`);
    }
  },
};

/** Rules of fault reports. */
export const FAULT_RULES: readonly ConformanceRule[] = [report, words, explain];
