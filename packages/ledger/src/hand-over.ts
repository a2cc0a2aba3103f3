import { type DarumaError, isDarumaError } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import type { SignedCheckpoint } from "./checkpoint.ts";
import type { NoteSignature } from "./signed-note.ts";

/** Somebody outside who is told of checkpoints. */
export interface WitnessPort {
  /** Under which ledgerd remembers what it has taken. */
  readonly name: string;
  /**
   * Hands a checkpoint over. Resolves once the witness has it for good.
   *
   * @param known the size that it took last, as far as is known here
   * @returns its cosignature, if it is one that cosigns
   * @throws LEDGER_E_WITNESS_UNREACHABLE, LEDGER_E_WITNESS_REFUSED
   */
  take(checkpoint: SignedCheckpoint, known: number, signal: AbortSignal): Promise<NoteSignature | null>;
}

export interface HandOverOptions {
  readonly witness: WitnessPort;
  /** The size that it took last, according to the store. */
  readonly known: number;
  /** The witness has it: to be stored. */
  readonly onTaken: (checkpoint: SignedCheckpoint, cosignature: NoteSignature | null) => Promise<void>;
  /** Told once when it begins to fail, when the reason changes, and with `null` when it works again. */
  readonly onTrouble: (error: DarumaError | null, witness: string) => void;
  readonly onProblem: (error: unknown) => void;
  readonly backoff?: Backoff;
}

export interface Backoff {
  readonly initialMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

export const defaultBackoff: Backoff = { initialMs: 1000, factor: 2, maxMs: 300_000 };

/**
 * Hands checkpoints to one witness, as they come and for as long as it takes. Only the newest one counts: it speaks for all
 * before it. Nothing waits for a witness.
 */
export class HandOver {
  readonly #options: HandOverOptions;
  readonly #abort = new AbortController();
  #newest: SignedCheckpoint | null = null;
  #taken: number;
  #trouble: string | null = null;
  #running: Promise<void> | null = null;

  constructor(options: HandOverOptions) {
    this.#options = options;
    this.#taken = options.known;
  }

  get name(): string {
    return this.#options.witness.name;
  }

  /** The size that the witness took last. */
  get taken(): number {
    return this.#taken;
  }

  /** Why it does not take more, or `null`. */
  get trouble(): string | null {
    return this.#trouble;
  }

  offer(checkpoint: SignedCheckpoint): void {
    if (this.#abort.signal.aborted) return;
    this.#newest = checkpoint;
    this.#running ??= this.#run();
  }

  /** Gives a last attempt `withinMs`, and then up. */
  async stop(withinMs: number): Promise<void> {
    const timer = setTimeout(() => this.#abort.abort(), withinMs);
    if (this.#trouble !== null) this.#abort.abort();
    await this.#running;
    this.#abort.abort();
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    const { initialMs, factor, maxMs } = this.#options.backoff ?? defaultBackoff;
    let delayMs = initialMs;
    // Not before `#running` is set, which the end of this function unsets.
    await Promise.resolve();
    const isWanted = () => this.#newest !== null && this.#newest.size > this.#taken;
    while (isWanted() && !this.#abort.signal.aborted) {
      if (await this.#attempt()) {
        delayMs = initialMs;
        continue;
      }
      // Spread, so that many hosts do not come back to one witness in the same moment.
      await sleep(delayMs * (0.8 + 0.4 * Math.random()), this.#abort.signal);
      delayMs = Math.min(maxMs, delayMs * factor);
    }
    this.#running = null;
  }

  async #attempt(): Promise<boolean> {
    const { witness, onTaken, onProblem } = this.#options;
    const checkpoint = this.#newest;
    if (checkpoint === null) return true;
    try {
      const cosignature = await witness.take(checkpoint, this.#taken, this.#abort.signal);
      await onTaken(checkpoint, cosignature);
      this.#taken = checkpoint.size;
      this.#tell(null);
      return true;
    } catch (error) {
      if (this.#abort.signal.aborted) return false;
      if (isDarumaError(error)) this.#tell(error);
      else onProblem(error);
      return false;
    }
  }

  #tell(error: DarumaError | null): void {
    const trouble = error === null ? null : `${error.code}: ${error.message}`;
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.#options.onTrouble(error, this.name);
  }
}

export function unreachable(name: string, why: string, cause?: unknown): DarumaError {
  const message = `the witness ${name} did not take a checkpoint: ${why}`;
  return ledgerErrors.make("LEDGER_E_WITNESS_UNREACHABLE", message, { where: name, cause });
}

export function refused(name: string, why: string): DarumaError {
  const message = `the witness ${name} refuses the ledger's checkpoint: ${why}`;
  return ledgerErrors.make("LEDGER_E_WITNESS_REFUSED", message, { where: name });
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (signal.aborted) done();
    else signal.addEventListener("abort", done);
  });
}
