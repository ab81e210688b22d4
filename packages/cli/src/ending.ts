/** Signals that end the command unless something else takes them. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const actions = new Set<() => void>();

/**
 * Registers what has to be done before the command ends, by itself or by a signal: a file removed, a child process ended.
 * @param action - synchronous; called at most once
 * @returns takes it off the list
 */
export function beforeEnd(action: () => void): () => void {
  if (actions.size === 0) {
    process.on("exit", runActions);
    for (const signal of SIGNALS) process.on(signal, take);
  }
  actions.add(action);
  return () => {
    if (!actions.delete(action) || actions.size > 0) return;
    process.off("exit", runActions);
    for (const signal of SIGNALS) process.off(signal, take);
  };
}

/**
 * Ends the command by a signal as if nothing took it, once the registered actions are done.
 * @param signal - the signal
 */
export function endBy(signal: NodeJS.Signals): void {
  runActions();
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** A signal that another listener takes, such as a Ctrl-C that only asks for an early end, is left to that. */
function take(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) === 1) endBy(signal);
}

function runActions(): void {
  for (const action of actions) {
    actions.delete(action);
    action();
  }
}
