import type { ContextName, FaultReport, Observer, Observers, TableSource, WalkStep } from "./contracts/index.js";

/** An observer between attaching and detaching. */
interface Attachment {
  readonly observer: Observer;
  /** False after it was detached, which can happen while a moment is reported. */
  isAttached: boolean;
}

/** The observers of one machine. With a single observer, a moment costs one call. */
export class ObserverList implements Observers {
  current: Observer | undefined = undefined;
  private attachments: readonly Attachment[] = [];

  attach(observer: Observer): () => void {
    const attachment: Attachment = { observer, isAttached: true };
    this.replace([...this.attachments, attachment]);
    return () => {
      attachment.isAttached = false;
      this.replace(this.attachments.filter((each) => each !== attachment));
    };
  }

  /** Replaces the list. A moment that is being reported continues with the old list. */
  private replace(attachments: readonly Attachment[]): void {
    this.attachments = attachments;
    this.current = attachments.length > 1 ? new SeveralObservers(attachments) : attachments[0]?.observer;
  }
}

/** Calls several observers for each moment, in order. */
class SeveralObservers implements Required<Observer> {
  constructor(private readonly attachments: readonly Attachment[]) {}

  walkStep(cpu: number, step: WalkStep): void {
    for (const observer of this.attached()) observer.walkStep?.(cpu, step);
  }

  tlbFill(cpu: number, high: number, low: number): void {
    for (const observer of this.attached()) observer.tlbFill?.(cpu, high, low);
  }

  tlbFlush(cpu: number, high: number, low: number, pages: number): void {
    for (const observer of this.attached()) observer.tlbFlush?.(cpu, high, low, pages);
  }

  registerWrite(cpu: number, high: number, low: number, ofFetches: boolean): void {
    for (const observer of this.attached()) observer.registerWrite?.(cpu, high, low, ofFetches);
  }

  barrier(cpu: number): void {
    for (const observer of this.attached()) observer.barrier?.(cpu);
  }

  unsynchronisedAccess(cpu: number, high: number, low: number): void {
    for (const observer of this.attached()) observer.unsynchronisedAccess?.(cpu, high, low);
  }

  fault(cpu: number, report: FaultReport): void {
    for (const observer of this.attached()) observer.fault?.(cpu, report);
  }

  context(cpu: number, context: ContextName | undefined): void {
    for (const observer of this.attached()) observer.context?.(cpu, context);
  }

  lazyMmu(cpu: number, active: boolean): void {
    for (const observer of this.attached()) observer.lazyMmu?.(cpu, active);
  }

  tablePage(pfn: number, source: TableSource, alive: boolean): void {
    for (const observer of this.attached()) observer.tablePage?.(pfn, source, alive);
  }

  taskSwitch(cpu: number, previous: number, next: number): void {
    for (const observer of this.attached()) observer.taskSwitch?.(cpu, previous, next);
  }

  /** The observers that are still attached when they are called. */
  private *attached(): Generator<Observer> {
    for (const { observer, isAttached } of this.attachments) if (isAttached) yield observer;
  }
}
