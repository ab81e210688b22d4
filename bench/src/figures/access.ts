import { Access, FAULT, FaultKind, LinearMap, OK, Privilege, toPfn } from "@kpkeys/core/contracts";
import type { Cpu } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { figure, step } from "../figure.js";
import type { Figure } from "../figure.js";
import { boot } from "../machine.js";
import { warm } from "../timing.js";

// Local copies: docs/performance.md, "Imported bindings".
const DONE: number = OK;
const FAULTED: number = FAULT;
const { NONE } = FaultKind;
const { WRITE } = Access;
const { KERNEL } = Privilege;
const next: typeof step = step;

const OPERATIONS = 1_000_000;
/** First page, relative to the start of RAM, and number of the pages that stay in the TLB. */
const HOT_PAGE = 65_536;
const HOT_PAGES = 512;

interface Hot {
  readonly cpu: Cpu;
  readonly high: number;
  readonly low: number;
}

/** Pages of the linear map with content: reads of a page that was never written are slower. */
function hotPages(machine: Machine): Hot {
  const cpu = machine.cpus.current;
  const map = machine.get(LinearMap);
  const pfn = machine.memory.firstPfn + HOT_PAGE;
  for (let page = 0; page < HOT_PAGES; page++) {
    const { high, low } = map.address(toPfn(pfn + page));
    cpu.store64(high, low, 0, page + 1);
  }
  return { cpu, ...map.address(toPfn(pfn)) };
}

const load = figure("tlb-hit-load", "a checked load of a page that the TLB holds", (arch) => {
  const { cpu, high, low } = hotPages(boot(arch));
  function run(): number {
    let x = 1;
    let sum = 0;
    for (let n = OPERATIONS; n > 0; n--) {
      x = next(x);
      const address = (low + (((x >>> 16) & 511) << 12)) | ((x >>> 4) & 0xff8);
      if (cpu.load64(high, address) === DONE) sum ^= cpu.valueLow;
      else sum++;
    }
    return sum;
  }
  return warm(run, OPERATIONS);
});

const store = figure("tlb-hit-store", "a checked store to a page that the TLB holds", (arch) => {
  const { cpu, high, low } = hotPages(boot(arch));
  function run(): number {
    let x = 1;
    let sum = 0;
    for (let n = OPERATIONS; n > 0; n--) {
      x = next(x);
      sum += cpu.store64(high, (low + (((x >>> 16) & 511) << 12)) | ((x >>> 4) & 0xff8), n, x);
    }
    return sum;
  }
  return warm(run, OPERATIONS);
});

const walkHot = figure("walk-hot", "a walk of four levels to one of 512 pages", (arch) => {
  const { cpu, high, low } = hotPages(boot(arch));
  const { mmu } = cpu;
  function run(): number {
    let x = 1;
    let found = 0;
    for (let n = OPERATIONS; n > 0; n--) {
      x = next(x);
      if (mmu.walk(high, low + (((x >>> 16) & 511) << 12)) === NONE) found++;
    }
    return found;
  }
  return warm(run, OPERATIONS);
});

const walkCold = figure("walk-cold", "a walk of four levels to any page of 16 GiB", (arch) => {
  const machine = boot(arch);
  const { mmu } = machine.cpus.current;
  const start = machine.get(LinearMap).address(machine.memory.firstPfn).high;
  const mask = machine.memory.endPfn - machine.memory.firstPfn - 1;
  function run(): number {
    let x = 1;
    let found = 0;
    for (let n = OPERATIONS; n > 0; n--) {
      x = next(x);
      const page = ((x >>> 8) ^ (x << 5)) & mask;
      if (mmu.walk(start + (page >>> 20), page << 12) === NONE) found++;
    }
    return found;
  }
  return warm(run, OPERATIONS);
});

const sweep = figure("attack-sweep", "a write to the next page of 16 GiB, allowed or not", (arch) => {
  const machine = boot(arch);
  const cpu = machine.cpus.current;
  const start = machine.get(LinearMap).address(machine.memory.firstPfn).high;
  const pages = machine.memory.endPfn - machine.memory.firstPfn;
  function run(): number {
    let blocked = 0;
    for (let page = 0; page < pages; page++) {
      const status = cpu.access(start + (page >>> 20), page << 12, WRITE, KERNEL);
      if (status === FAULTED) blocked++;
    }
    return blocked;
  }
  return warm(run, pages);
});

/** Accesses of one CPU. */
export const ACCESS_FIGURES: readonly Figure[] = [load, store, walkHot, walkCold, sweep];
