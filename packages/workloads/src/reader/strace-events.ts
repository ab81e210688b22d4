import { KpkeysError, quote } from "@kpkeys/core";
import { CloneFlag } from "@kpkeys/core/contracts";
import { EventKind, type TraceEvent } from "./event.js";
import { CALL_WITHOUT_END } from "./ledger.js";
import { readStraceResult, splitStraceCall } from "./strace-call.js";
import { type CallForm, CALLS, isFork, isUnreadStructure, readCallArguments, readCloneFlags } from "./strace-calls.js";
import { type AdvisedRange, readAdvice } from "./strace-madvise.js";
import type { OwnPidfds } from "./strace-pidfds.js";
import type { StraceThreads } from "./strace-threads.js";
import type { EnteredFork, UnfinishedCall } from "./strace-unfinished.js";

const { sys_enter_clone, sys_enter_clone3, sys_enter_fork, sys_enter_execve, sys_enter_exit_group } = EventKind;
const { sys_enter_madvise, sys_exit_madvise, sys_enter_process_madvise } = EventKind;
const { sched_process_fork, sched_process_exec, sched_process_exit } = EventKind;

/** Hands on the events of calls. */
export interface StraceEvents {
  /**
   * Hands on the events of a call that ended.
   * @param name - the call
   * @param form - what is known of it
   * @param text - the call from its first argument on
   * @param begun - its beginning, if that is on another line
   * @returns undefined, or why there are none
   * @throws KpkeysError ERR_TRACE_LINE when its arguments or its result are damaged
   */
  call(name: string, form: CallForm, text: string, begun?: UnfinishedCall): string | undefined;
  /** Hands on the entry and the fork of a call whose child is seen before it returns. */
  fork(call: UnfinishedCall): void;
  /** Hands on the end of a thread. */
  exit(thread: number): void;
}

/**
 * Opens what turns calls into events.
 * @param path - the trace's name for messages
 * @param event - the record that is handed on: its thread, time and line are set by the caller
 * @param threads - the threads that strace follows
 * @param pidfds - the pidfds that are their own
 * @param sink - takes each event
 */
export function createStraceEvents(
  path: string,
  event: TraceEvent,
  threads: StraceThreads,
  pidfds: OwnPidfds,
  sink: (event: TraceEvent) => void,
): StraceEvents {
  /** Children that were given to a parent while several threads were in clone. */
  const doubtful = new Set<number>();

  function emit(kind: EventKind, ...values: readonly bigint[]): void {
    event.kind = kind;
    for (const [slot, value] of values.entries()) {
      event.argHigh[slot] = Number(BigInt.asIntN(32, value >> 32n));
      event.argLow[slot] = Number(BigInt.asIntN(32, value));
    }
    sink(event);
  }

  function emitExit(enter: EventKind, value: bigint): void {
    emit((enter + 1) as EventKind, value);
  }

  function damaged(what: string, text: string, line: number): KpkeysError {
    return new KpkeysError("ERR_TRACE_LINE", `${what}: ${quote(text)}`, {
      where: `${path}:${line}`,
      expected: "`call(argument, ...) = result` as strace prints it",
    });
  }

  function enterFork(name: string, kind: EventKind, args: readonly string[], line: number): EnteredFork {
    if (kind !== sys_enter_clone) {
      emit(kind);
      return { kind, sameProcess: false };
    }
    const flags = readCloneFlags(args);
    if (flags === "damaged") throw damaged(`the flags of ${name} cannot be read`, args.join(", "), line);
    if (flags !== undefined) {
      emit(kind, flags, 0n, 0n, 0n, 0n);
      return { kind, sameProcess: (flags & BigInt(CloneFlag.THREAD)) !== 0n };
    }
    // The flags of clone3 are unknown as in its tracepoint; clone, which old versions print when it has returned, is most often a fork.
    const unknown = name === "clone3" ? sys_enter_clone3 : sys_enter_fork;
    emit(unknown, 0n, 0n);
    return { kind: unknown, sameProcess: false };
  }

  function emitFork(parent: number, child: number, sameProcess: boolean): void {
    threads.add(child, parent, sameProcess);
    emit(sched_process_fork, BigInt(parent), BigInt(child));
  }

  function finishFork(
    name: string,
    kind: EventKind,
    args: readonly string[],
    value: bigint,
    begun?: UnfinishedCall,
  ): void {
    const entered = begun?.entered ?? enterFork(name, kind, args, begun?.line ?? event.line);
    const child = Number(value);
    // The child of a single clone is this one, even if its PID namespace gives it another number.
    const known = begun?.entered !== undefined && (begun.child === child || !begun.doubtful);
    if (child > 0 && !known && !doubtful.has(child)) emitFork(event.tid, child, entered.sameProcess);
    doubtful.delete(child);
    emitExit(entered.kind, value);
  }

  function finishExec(value: bigint, former: number): void {
    const { tid } = event;
    emit(sys_enter_execve, 0n, 0n, 0n);
    if (value === 0n) {
      pidfds.forget(tid);
      emit(sched_process_exec, BigInt(tid), BigInt(former < 0 ? tid : former));
    }
    emitExit(sys_enter_execve, value);
  }

  /** A process that advises itself does what madvise does to each range, as far as the result reaches. */
  function adviseSelf(ranges: readonly AdvisedRange[], behavior: bigint, bytes: bigint): void {
    let left = bytes;
    for (const { start, length } of ranges) {
      if (left <= 0n) return;
      emit(sys_enter_madvise, start, length < left ? length : left, behavior);
      emit(sys_exit_madvise, 0n);
      left -= length;
    }
  }

  function finishAdvice(args: readonly string[], value: bigint, line: number): void {
    const advice = readAdvice(args);
    if (advice === undefined) throw damaged("the arguments of process_madvise cannot be read", args.join(", "), line);
    const { pidfd, ranges, count, behavior, flags } = advice;
    if (value > 0n && ranges !== undefined && pidfds.owns(pidfd, event.tid)) {
      adviseSelf(ranges, behavior, value);
      return;
    }
    // Neither which process a pidfd is of nor where the ranges are is known.
    emit(sys_enter_process_madvise, 0n, 0n, count, behavior, flags);
    emitExit(sys_enter_process_madvise, value);
  }

  function call(name: string, form: CallForm, text: string, begun?: UnfinishedCall): string | undefined {
    const parts = splitStraceCall(text);
    if (parts === undefined) return CALL_WITHOUT_END;
    const { args } = parts;
    const { kind } = form;
    const line = begun?.line ?? event.line;
    const result = readStraceResult(parts.result);
    if (result === undefined) throw damaged(`the result of ${name} cannot be read`, parts.result, event.line);
    const { value, failed } = result;
    if (value === undefined && kind !== sys_enter_exit_group) return CALL_WITHOUT_END;
    if (isFork(kind)) finishFork(name, kind, args, value!, begun);
    else if (kind === sys_enter_execve) finishExec(value!, begun?.former ?? -1);
    else if (kind === sys_enter_process_madvise) finishAdvice(args, value!, line);
    else {
      if (failed && isUnreadStructure(form, args)) return name;
      const values = readCallArguments(form, args);
      if (values === undefined) throw damaged(`the arguments of ${name} cannot be read`, args.join(", "), line);
      emit(kind, ...values.slice(0, form.kept));
      if (kind !== sys_enter_exit_group) emitExit(kind, value!);
    }
    return undefined;
  }

  return {
    call,
    fork(unfinished) {
      const { thread: parent, child, name, text, line } = unfinished;
      const args = splitStraceCall(`${text}) = ?`)?.args ?? [];
      event.tid = parent;
      unfinished.entered = enterFork(name, CALLS.get(name)!.kind, args, line);
      if (unfinished.doubtful) doubtful.add(child);
      emitFork(parent, child, unfinished.entered.sameProcess);
    },
    exit(thread) {
      if (threads.processOf(thread) === thread) pidfds.forget(thread);
      doubtful.delete(thread);
      threads.end(thread);
      emit(sched_process_exit, BigInt(thread), -1n);
    },
  };
}
