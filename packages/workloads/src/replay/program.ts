/** A shared memory segment that a program attached. No event has its size. */
export interface Segment {
  /** First page. */
  readonly start: number;
  /** One past its last known page. */
  end: number;
  /** PROT_ bits. */
  readonly prot: number;
}

/**
 * The state of a program, and the gaps in the trace's information about it. The threads of an address space share one program, a forked
 * child has a copy, and execve starts a new one.
 */
export interface Program {
  /** Whether it started before the trace, so that the trace lacks part of its mappings. */
  readonly fromBefore: boolean;
  /** Whether it called clone3, whose flags are in no trace. */
  calledClone3: boolean;
  /** Whether it has had more than one thread. */
  threaded: boolean;
  /** First page of the heap, after the first brk. */
  heapStart: number | undefined;
  /** Page of the first fault on the stack, after that fault. */
  stackPage: number | undefined;
  /** Pages inside the images that execve mapped, one for each region. */
  readonly anchors: number[];
  /** Segments attached by shmat. */
  readonly segments: Segment[];
  /** Whether mlockall filled its mappings. The trace lacks those that execve created. */
  lockedAll: boolean;
  /** Faults outside every known mapping. */
  unexplained: number;
  /** System calls that succeeded on Linux and that the model refused. */
  refused: number;
  /** Number of events that perf had lost at its start. */
  readonly lostBefore: number;
}

/**
 * The program of a new address space.
 * @param lostBefore - number of events that perf has lost so far
 * @param fromBefore - whether it started before the trace
 */
export function newProgram(lostBefore: number, fromBefore = false): Program {
  return {
    fromBefore,
    calledClone3: false,
    threaded: false,
    heapStart: undefined,
    stackPage: undefined,
    anchors: [],
    segments: [],
    lockedAll: false,
    unexplained: 0,
    refused: 0,
    lostBefore,
  };
}

/**
 * The program of a child with a copy of the address space.
 * @param parent - the parent's program
 */
export function copyProgram(parent: Program): Program {
  const segments = parent.segments.map((segment) => ({ ...segment }));
  return { ...parent, anchors: [...parent.anchors], segments, lockedAll: false, threaded: false };
}
