import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Segment } from "./segment.ts";

/** Beside the bundled program, or beside this source. */
const program = new URL(
  import.meta.url.endsWith(".ts") ? "./verify-worker.ts" : "./verify-worker.mjs",
  import.meta.url,
);

const mostWorkers = 8;

/** Worker threads that check blocks of lines, each one block after the other. */
export class VerifyPool {
  readonly #workers: readonly PoolWorker[];
  #next = 0;

  constructor(count = Math.min(mostWorkers, availableParallelism())) {
    this.#workers = Array.from({ length: count }, () => new PoolWorker());
  }

  /** How many blocks keep all workers busy. */
  get depth(): number {
    return 2 * this.#workers.length;
  }

  /** What can be said of all lines at once. `null` also where a worker has failed: then they must be looked at here. */
  check(block: Uint8Array): Promise<Segment | null> {
    const worker = this.#workers[this.#next % this.#workers.length];
    this.#next += 1;
    return worker === undefined ? Promise.resolve(null) : worker.check(block);
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
  }
}

class PoolWorker {
  /** Without the flags and the environment of the program that starts it: it needs neither. */
  readonly #worker = new Worker(program, { execArgv: [], env: {} });
  readonly #waiting: ((segment: Segment | null) => void)[] = [];
  #failed = false;

  constructor() {
    this.#worker.on("message", (segment: Segment | null) => this.#waiting.shift()?.(segment));
    this.#worker.on("error", () => this.#fail());
    this.#worker.on("exit", () => this.#fail());
  }

  check(block: Uint8Array): Promise<Segment | null> {
    if (this.#failed) return Promise.resolve(null);
    return new Promise((answer) => {
      this.#waiting.push(answer);
      this.#worker.postMessage(block);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(): void {
    this.#failed = true;
    for (const answer of this.#waiting.splice(0)) answer(null);
  }
}
