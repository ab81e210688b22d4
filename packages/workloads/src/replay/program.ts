/**
 * What is known of the program that an address space runs, and of what the trace does not tell of it. Threads share theirs;
 * a child has a copy; execve begins another.
 */
export interface Program {
  /** Whether its address space was there before the trace began, so that the trace does not tell all of it. */
  readonly fromBefore: boolean;
  /** Whether it called clone3, whose flags no trace holds. */
  calledClone3: boolean;
  /** Whether it has had more than one thread. */
  threaded: boolean;
  /** First page of the heap, once brk told it; -1 before. */
  heapStart: number;
  /** The page of the first fault on the stack; -1 before. */
  stackPage: number;
  /** Pages that lie in what execve mapped, far from each other: where its images are. */
  readonly anchors: number[];
  /** Faults that no mapping explains. */
  unexplained: number;
  /** System calls that Linux carried out and the model refused. */
  refused: number;
  /** Events that perf had lost when it began. */
  readonly lostBefore: number;
}

/**
 * A program at its execve.
 * @param lostBefore - events that perf has lost so far
 * @param fromBefore - whether its execve lies before the trace
 */
export function newProgram(lostBefore: number, fromBefore = false): Program {
  return {
    fromBefore,
    calledClone3: false,
    threaded: false,
    heapStart: -1,
    stackPage: -1,
    anchors: [],
    unexplained: 0,
    refused: 0,
    lostBefore,
  };
}

/**
 * The program of a child that has a copy of the address space.
 * @param parent - the parent's
 */
export function copyProgram(parent: Program): Program {
  return { ...parent, anchors: [...parent.anchors], threaded: false };
}

/** The lowest page that can be mapped: `vm.mmap_min_addr` of 64 KiB. */
const MINIMUM_PAGE = 16;

/** The area of mmap begins at most 1 TiB and a stack's room below the end of the user's half (arch_pick_mmap_layout): 0x7e0000000000. */
const MMAP_AREA = 0x7e0000000;

/**
 * Stacks begin at most 16 GiB below the end of the user's half (STACK_RND_MASK), and the area of mmap keeps 128 MiB away from them:
 * 0x7ffbf8000000.
 */
const STACK_AREA = 0x7ffbf8000;

/** How far the pages of an image lie apart, and from the heap behind it (arch_randomize_brk: 1 GiB): 2 GiB in pages. */
const IMAGE_SPAN = 0x80000;

/**
 * Whether a page lies where stacks are.
 * @param page - virtual page
 */
export function isStackPage(page: number): boolean {
  return page >= STACK_AREA;
}

/**
 * Whether a fault outside every mapping known may lie in one that execve made, or a call that is not traced (shmat): where images
 * are, behind them up to the heap, or in the area of mmap. If not, the access ended in a signal.
 * @param program - the program
 * @param page - virtual page
 */
export function mayBeMapped(program: Program, page: number): boolean {
  const { fromBefore, heapStart, anchors } = program;
  if (page < MINIMUM_PAGE) return false;
  if (fromBefore || page >= MMAP_AREA) return true;
  // Behind the images comes the heap, and behind its end nothing for long.
  if (heapStart >= 0 && page >= heapStart && page < heapStart + IMAGE_SPAN) return false;
  if (anchors.some((anchor) => Math.abs(page - anchor) < IMAGE_SPAN)) return true;
  if (heapStart >= 0) return page < heapStart && page >= heapStart - IMAGE_SPAN;
  anchors.push(page);
  return true;
}
