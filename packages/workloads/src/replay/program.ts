/** A segment of shared memory that a program attached. Its size is in no event. */
export interface Segment {
  /** First page. */
  readonly start: number;
  /** One past the last page that is known to be of it. */
  end: number;
  /** PROT_ bits. */
  readonly prot: number;
}

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
  /** First page of the heap, once a brk has shown it. */
  heapStart: number | undefined;
  /** The page of the first fault on the stack, once there was one. */
  stackPage: number | undefined;
  /** Pages that lie in what execve mapped, far from each other: where its images are. */
  readonly anchors: number[];
  /** Shared memory by shmat. */
  readonly segments: Segment[];
  /** Whether mlockall filled its mappings, of which those that execve made are not in the trace. */
  lockedAll: boolean;
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
 * The program of a child that has a copy of the address space.
 * @param parent - the parent's
 */
export function copyProgram(parent: Program): Program {
  const segments = parent.segments.map((segment) => ({ ...segment }));
  return { ...parent, anchors: [...parent.anchors], segments, lockedAll: false, threaded: false };
}
