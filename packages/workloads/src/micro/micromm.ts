import { AddressSpaces, MapFlag, Prot, toVpn } from "@kpkeys/core/contracts";
import type { Mm } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { NO_WORK } from "./benchmark.js";
import type { MicroBenchmark } from "./benchmark.js";

/** Pages of the mapping: 1 GiB. */
const PAGES = 262_144;

/** Pages of a huge folio: 2 MiB. */
const HUGE_FOLIO = 512;

/** First page of the mapping, 1 GiB aligned as the benchmark aligns it to huge pages. */
const START = 0x40000;

/** An address space with the mapping in it, every page written. */
function populated(spaces: AddressSpaces): Mm {
  const mm = spaces.create();
  const flags = MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE;
  spaces.mmap(mm, toVpn(START), PAGES, Prot.READ | Prot.WRITE, flags);
  return mm;
}

function spacesOf(machine: Machine): AddressSpaces {
  return machine.get(AddressSpaces);
}

/**
 * Linux writes the entries of a huge folio mapped by pages as it writes those of single pages, one after another: what differs is how
 * many folios stand behind them.
 */
function fork(hugeFolios: boolean): MicroBenchmark {
  return {
    name: `fork h:${hugeFolios ? 1 : 0}`,
    operation: "fork of a process with 1 GiB of anonymous memory, mapped by pages",
    work: NO_WORK,
    prepare(machine) {
      const spaces = spacesOf(machine);
      const parent = populated(spaces);
      let child: Mm | undefined;
      return {
        operations: 1,
        run() {
          child = spaces.fork(parent);
        },
        cleanUp() {
          if (child !== undefined) spaces.put(child);
          spaces.put(parent);
        },
      };
    },
  };
}

function munmap(hugeFolios: boolean): MicroBenchmark {
  return {
    name: `munmap h:${hugeFolios ? 1 : 0}`,
    operation: "munmap of 1 GiB of anonymous memory, mapped by pages",
    work: { ...NO_WORK, folios: hugeFolios ? PAGES / HUGE_FOLIO : PAGES },
    prepare(machine) {
      const spaces = spacesOf(machine);
      const mm = populated(spaces);
      return {
        operations: 1,
        run: () => void spaces.munmap(mm, toVpn(START), PAGES),
        cleanUp() {
          spaces.put(mm);
        },
      };
    },
  };
}

/**
 * David Hildenbrand's micro-benchmarks of memory management ("micromm"), as RFC v5 ran them: 1 GiB of private anonymous memory,
 * every page written, in single pages (`h:0`) or in huge folios that are mapped by pages all the same (`h:1`).
 */
export const MICROMM: readonly MicroBenchmark[] = [fork(false), fork(true), munmap(false), munmap(true)];
