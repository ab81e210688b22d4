import { KpkeysError, quote, toWords } from "@kpkeys/core";
import { CloneFlag } from "@kpkeys/core/contracts";
import { EventKind, type TraceEvent } from "./event.js";
import { CALL_WITHOUT_END } from "./ledger.js";
import { readStraceResult, splitStraceCall, type StraceResult } from "./strace-call.js";
import { type CallForm, CALLS, isFork, isUnreadStructure, readCallArguments, readCloneFlags } from "./strace-calls.js";
import { type AdvisedRange, readAdvice } from "./strace-madvise.js";
import type { OwnPidfds } from "./strace-pidfds.js";
import type { StraceThreads } from "./strace-threads.js";
import type { EnteredFork, UnfinishedCall } from "./strace-unfinished.js";

const { sys_enter_clone, sys_enter_clone3, sys_enter_fork, sys_enter_execve, sys_enter_exit_group } = EventKind;
const { sys_enter_madvise, sys_exit_madvise, sys_enter_process_madvise } = EventKind;
const { sched_process_fork, sched_process_exec, sched_process_exit } = EventKind;

/** Converts the calls of strace to events. */
export class StraceEvents {
  /** Children that were assigned to a parent while several threads were in clone. */
  private readonly doubtful = new Set<number>();

  /**
   * @param path - the trace, for errors
   * @param event - the record for the sink. The caller sets its thread, time and line.
   * @param threads - the threads that strace follows
   * @param pidfds - the pidfds of their processes
   * @param sink - called for each event
   */
  constructor(
    private readonly path: string,
    private readonly event: TraceEvent,
    private readonly threads: StraceThreads,
    private readonly pidfds: OwnPidfds,
    private readonly sink: (event: TraceEvent) => void,
  ) {}

  /**
   * Passes the events of a call to the sink.
   * @param name - the call
   * @param form - its form
   * @param text - the call from its first argument on
   * @param begun - its beginning, if that is on another line
   * @returns the reason to skip the call, or undefined
   * @throws KpkeysError ERR_TRACE_LINE if its arguments or its result are damaged
   */
  call(name: string, form: CallForm, text: string, begun?: UnfinishedCall): string | undefined {
    const parts = splitStraceCall(text);
    if (parts === undefined) return CALL_WITHOUT_END;
    const result = readStraceResult(parts.result);
    if (result === undefined) throw this.damaged(`cannot read the result of ${name}`, parts.result, this.event.line);
    const { kind } = form;
    if (kind === sys_enter_exit_group) return this.finishPlain(name, form, parts.args, result, begun);
    if (result.value === undefined) return CALL_WITHOUT_END;
    if (isFork(kind)) this.finishFork(name, kind, parts.args, result.value, begun);
    else if (kind === sys_enter_execve) this.finishExec(result.value, begun?.former ?? -1);
    else if (kind === sys_enter_process_madvise) this.finishAdvice(parts.args, result.value, begun);
    else return this.finishPlain(name, form, parts.args, result, begun);
    return undefined;
  }

  /** Passes the entry and the fork of a call to the sink. Its child occurs before the call returns. */
  fork(unfinished: UnfinishedCall): void {
    const { thread: parent, child, name, text, line } = unfinished;
    const args = splitStraceCall(`${text}) = ?`)?.args ?? [];
    this.event.tid = parent;
    unfinished.entered = this.enterFork(name, CALLS.get(name)!.kind, args, line);
    if (unfinished.doubtful) this.doubtful.add(child);
    this.emitFork(parent, child, unfinished.entered.sameProcess);
  }

  /** Passes the exit of a thread to the sink. */
  exit(thread: number): void {
    if (this.threads.processOf(thread) === thread) this.pidfds.forget(thread);
    this.doubtful.delete(thread);
    this.threads.end(thread);
    this.emit(sched_process_exit, BigInt(thread), -1n);
  }

  private emit(kind: EventKind, ...values: readonly bigint[]): void {
    this.event.kind = kind;
    for (const [slot, value] of values.entries()) {
      const { high, low } = toWords(value);
      this.event.argHigh[slot] = high;
      this.event.argLow[slot] = low;
    }
    this.sink(this.event);
  }

  private emitExit(enter: EventKind, value: bigint): void {
    this.emit((enter + 1) as EventKind, value);
  }

  private damaged(what: string, text: string, line: number): KpkeysError {
    return new KpkeysError("ERR_TRACE_LINE", `${what}: ${quote(text)}`, {
      where: `${this.path}:${line}`,
      expected: "`call(argument, ...) = result` as strace prints it",
    });
  }

  private enterFork(name: string, kind: EventKind, args: readonly string[], line: number): EnteredFork {
    if (kind !== sys_enter_clone) {
      this.emit(kind);
      return { kind, sameProcess: false };
    }
    const flags = readCloneFlags(args);
    if (flags === "damaged") throw this.damaged(`cannot read the flags of ${name}`, args.join(", "), line);
    if (flags !== undefined) {
      this.emit(kind, flags, 0n, 0n, 0n, 0n);
      return { kind, sameProcess: (flags & BigInt(CloneFlag.THREAD)) !== 0n };
    }
    // clone3 without flags is like its tracepoint. clone without flags (old versions print them at its return) is most often a fork.
    const unknown = name === "clone3" ? sys_enter_clone3 : sys_enter_fork;
    this.emit(unknown, 0n, 0n);
    return { kind: unknown, sameProcess: false };
  }

  private emitFork(parent: number, child: number, sameProcess: boolean): void {
    this.threads.add(child, parent, sameProcess);
    this.emit(sched_process_fork, BigInt(parent), BigInt(child));
  }

  private finishFork(
    name: string,
    kind: EventKind,
    args: readonly string[],
    value: bigint,
    begun?: UnfinishedCall,
  ): void {
    const entered = begun?.entered ?? this.enterFork(name, kind, args, begun?.line ?? this.event.line);
    const child = Number(value);
    // A single clone has this child, even if the child has another pid in its PID namespace.
    const known = begun?.entered !== undefined && (begun.child === child || !begun.doubtful);
    if (child > 0 && !known && !this.doubtful.has(child)) this.emitFork(this.event.tid, child, entered.sameProcess);
    this.doubtful.delete(child);
    this.emitExit(entered.kind, value);
  }

  private finishExec(value: bigint, former: number): void {
    const { tid } = this.event;
    this.emit(sys_enter_execve, 0n, 0n, 0n);
    if (value === 0n) {
      this.pidfds.forget(tid);
      this.emit(sched_process_exec, BigInt(tid), BigInt(former < 0 ? tid : former));
    }
    this.emitExit(sys_enter_execve, value);
  }

  /** process_madvise on the caller's process is madvise of each range, up to the number of bytes in the result. */
  private adviseSelf(ranges: readonly AdvisedRange[], behavior: bigint, bytes: bigint): void {
    let left = bytes;
    for (const { start, length } of ranges) {
      if (left <= 0n) return;
      this.emit(sys_enter_madvise, start, length < left ? length : left, behavior);
      this.emit(sys_exit_madvise, 0n);
      left -= length;
    }
  }

  private finishAdvice(args: readonly string[], value: bigint, begun?: UnfinishedCall): void {
    const line = begun?.line ?? this.event.line;
    const advice = readAdvice(args);
    if (advice === undefined) throw this.damaged("cannot read the arguments of process_madvise", args.join(", "), line);
    const { pidfd, ranges, count, behavior, flags } = advice;
    if (value > 0n && ranges !== undefined && this.pidfds.owns(pidfd, this.event.tid)) {
      this.adviseSelf(ranges, behavior, value);
      return;
    }
    // The process of the pidfd or the ranges are not known.
    this.emit(sys_enter_process_madvise, 0n, 0n, count, behavior, flags);
    this.emitExit(sys_enter_process_madvise, value);
  }

  /** A call with numeric arguments. exit_group has an entry only. */
  private finishPlain(
    name: string,
    form: CallForm,
    args: readonly string[],
    { value, failed }: StraceResult,
    begun?: UnfinishedCall,
  ): string | undefined {
    if (failed && isUnreadStructure(form, args)) return name;
    const values = readCallArguments(form, args);
    const line = begun?.line ?? this.event.line;
    if (values === undefined) throw this.damaged(`cannot read the arguments of ${name}`, args.join(", "), line);
    this.emit(form.kind, ...values.slice(0, form.kept));
    if (form.kind !== sys_enter_exit_group) this.emitExit(form.kind, value!);
    return undefined;
  }
}
