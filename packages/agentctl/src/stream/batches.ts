export interface BatchLimits<T> {
  readonly most: number;
  readonly mostBytes: number;
  readonly bytesOf: (item: T) => number;
  /** How long the first of a batch may wait for others. */
  readonly lingerMs: number;
}

const late = Symbol("late");

/** Gathers what comes at about the same time, and no more than the limits at once: of what is not taken, one item waits. */
export async function* inBatches<T>(
  source: AsyncIterable<T>,
  limits: BatchLimits<T>,
): AsyncGenerator<readonly T[], void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    yield* gather(iterator, limits);
  } finally {
    // Not waited for: an iterator that waits for its next item ends only when its signal says so.
    iterator.return?.()?.catch(() => undefined);
  }
}

async function* gather<T>(
  iterator: AsyncIterator<T>,
  limits: BatchLimits<T>,
): AsyncGenerator<readonly T[], void, undefined> {
  let next = ask(iterator);
  for (;;) {
    const first = await next;
    if (first.done === true) return;
    const batch = [first.value];
    let bytes = limits.bytesOf(first.value);
    next = ask(iterator);
    let timer: NodeJS.Timeout | undefined;
    const end = new Promise<typeof late>((resolve) => {
      timer = setTimeout(resolve, limits.lingerMs, late);
    });
    while (batch.length < limits.most && bytes < limits.mostBytes) {
      // What fails is told when it is its turn: this batch was whole before.
      const result = await Promise.race([next, end]).catch((): typeof late => late);
      if (result === late || result.done === true) break;
      batch.push(result.value);
      bytes += limits.bytesOf(result.value);
      next = ask(iterator);
    }
    clearTimeout(timer);
    yield batch;
  }
}

function ask<T>(iterator: AsyncIterator<T>): Promise<IteratorResult<T>> {
  const next = iterator.next();
  // Whoever awaits it later gets the error; until then it is nobody's.
  next.catch(() => undefined);
  return next;
}
