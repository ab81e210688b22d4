import { AddressSpaces, MapFlag, Prot, Tasks, toVpn } from "@kpkeys/core/contracts";
import { figure, step } from "../figure.js";
import type { Figure } from "../figure.js";
import { boot } from "../machine.js";
import { warm } from "../timing.js";

// Local copies: docs/performance.md, "Imported bindings".
const next: typeof step = step;

const SWITCHES = 1_000_000;
const TASKS = 1024;
/** Pages of a process of 1 GiB, and its first page. */
const PAGES = 262_144;
const START = 0x10000;

const contextSwitch = figure("context-switch", "a switch to another of 1,024 kernel threads", (arch) => {
  const tasks = boot(arch).get(Tasks);
  const threads = Array.from({ length: TASKS }, () => tasks.create(undefined));
  function run(): void {
    let x = 1;
    for (let n = SWITCHES; n > 0; n--) {
      x = next(x);
      tasks.switchTo(threads[(x >>> 16) & (TASKS - 1)]!);
    }
  }
  return warm(run, SWITCHES);
});

const forkExit = figure("fork-exit-1g", "fork and exit of a process with 1 GiB of pages", (arch) => {
  const spaces = boot(arch, { mib: 4096 }).get(AddressSpaces);
  const parent = spaces.create();
  const flags = MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE;
  spaces.mmap(parent, toVpn(START), PAGES, Prot.READ | Prot.WRITE, flags);
  return warm(() => {
    spaces.put(spaces.fork(parent));
  }, 1);
});

/** Work of the kernel with threads and processes. */
export const PROCESS_FIGURES: readonly Figure[] = [contextSwitch, forkExit];
