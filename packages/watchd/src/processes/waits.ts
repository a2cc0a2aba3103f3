/** Waiting that stops keeping the process alive once it is told to. */
export interface Waits {
  pause(ms: number): Promise<void>;
  /** True when `promise` settled within `ms`; rejects as it does. */
  within(promise: Promise<unknown>, ms: number): Promise<boolean>;
  /** From now on, nothing that waits here holds up the end of the process. */
  release(): void;
}

export function createWaits(): Waits {
  const timers = new Set<NodeJS.Timeout>();
  let released = false;
  const arm = (ms: number, ring: () => void): (() => void) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      ring();
    }, ms);
    timers.add(timer);
    if (released) timer.unref();
    return () => {
      timers.delete(timer);
      clearTimeout(timer);
    };
  };
  return {
    pause: (ms) => new Promise((resolve) => void arm(ms, resolve)),
    within: (promise, ms) =>
      new Promise((resolve, reject) => {
        const disarm = arm(ms, () => resolve(false));
        promise.finally(disarm).then(() => resolve(true), reject);
      }),
    release() {
      released = true;
      for (const timer of timers) timer.unref();
    },
  };
}
