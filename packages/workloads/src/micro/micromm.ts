import { AddressSpaces, MapFlag, Prot, toVpn } from "@kpkeys/core/contracts";
import type { Mm } from "@kpkeys/core/contracts";
import { NO_WORK } from "./benchmark.js";
import type { MicroBenchmark } from "./benchmark.js";

/** Pages of the mapping: 1 GiB. */
const PAGES = 262_144;

/** Pages of a huge folio: 2 MiB. */
const HUGE_FOLIO = 512;

/** First page of the mapping. It is aligned to 1 GiB; the benchmark aligns it to huge pages. */
const START = 0x40000;

/** Creates an address space with the mapping and writes every page. */
function populated(spaces: AddressSpaces): Mm {
  const mm = spaces.create();
  const flags = MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE;
  spaces.mmap(mm, toVpn(START), PAGES, Prot.READ | Prot.WRITE, flags);
  return mm;
}

/** Linux writes the entries of a page-mapped huge folio one by one, like those of single pages. Only the number of folios differs. */
function fork(hugeFolios: boolean): MicroBenchmark {
  return {
    name: `fork h:${hugeFolios ? 1 : 0}`,
    operation: "fork of a process with 1 GiB of anonymous memory, mapped by pages",
    work: NO_WORK,
    prepare(machine) {
      const spaces = machine.get(AddressSpaces);
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
      const spaces = machine.get(AddressSpaces);
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
 * The micro-benchmarks of RFC v5 from David Hildenbrand's "micromm": 1 GiB of private anonymous memory with every page written, in
 * single pages (`h:0`) or in page-mapped huge folios (`h:1`).
 */
export const MICROMM: readonly MicroBenchmark[] = [fork(false), fork(true), munmap(false), munmap(true)];
