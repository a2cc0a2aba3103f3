/** Something that is done a while after it was first asked for, once, unless it is called off. It keeps no process alive. */
export class Delayed {
  readonly #ms: number;
  readonly #task: () => void;
  #timer: NodeJS.Timeout | null = null;

  constructor(ms: number, task: () => void) {
    this.#ms = ms;
    this.#task = task;
  }

  ask(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#task();
    }, this.#ms).unref();
  }

  callOff(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
