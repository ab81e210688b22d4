/** Signals that end the command unless another listener handles them. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

const actions = new Set<() => void>();

/**
 * Registers an action to run before the command ends, normally or by a signal: to remove a file, to kill a child process.
 * @param action - synchronous; called at most once
 * @returns a function that cancels the action
 */
export function beforeEnd(action: () => void): () => void {
  if (actions.size === 0) {
    process.on("exit", runActions);
    for (const signal of SIGNALS) process.on(signal, onSignal);
  }
  actions.add(action);
  return () => {
    if (!actions.delete(action) || actions.size > 0) return;
    process.off("exit", runActions);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
}

/**
 * Runs the registered actions and ends the command by a signal.
 * @param signal - the signal
 */
export function endBy(signal: NodeJS.Signals): void {
  runActions();
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** Ignores a signal that another listener handles, such as a Ctrl-C that requests an early end. */
function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) === 1) endBy(signal);
}

function runActions(): void {
  for (const action of actions) {
    actions.delete(action);
    action();
  }
}
