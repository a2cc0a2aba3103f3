/** Does one thing after the other, and counts what has happened meanwhile. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve();
  #queued = 0;
  #age = 0;

  /** Grows with whatever is begun, ended or told of: what was learned at another age may be out of date. */
  get age(): number {
    return this.#age;
  }

  get busy(): boolean {
    return this.#queued > 0;
  }

  /** Something has happened outside a task. */
  touch(): void {
    this.#age += 1;
  }

  /** Runs the task when those before it have ended, however they did. */
  run<T>(task: () => Promise<T>): Promise<T> {
    this.#queued += 1;
    this.#age += 1;
    const result = this.#last.then(task).finally(() => {
      this.#queued -= 1;
      this.#age += 1;
    });
    this.#last = result.catch(() => undefined);
    return result;
  }
}
