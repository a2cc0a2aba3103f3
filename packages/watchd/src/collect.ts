import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Without news for so long, whatever has begun is over. */
const calmMs = 10_000;

/**
 * Collects garbage once everything has come to rest, after the start of watchd and after each change of the generation. V8 lets a heap
 * grow in proportion to what was alive at the last collection: with a thousand agents to start and manifests to read that was twice
 * what is alive later, and an idle watchd makes so little that the next one would not come for hours.
 */
export class Collector {
  readonly #collect: () => void;
  #timer: NodeJS.Timeout | undefined;
  #isDue = false;

  constructor(collect: () => void = fullCollection()) {
    this.#collect = collect;
    this.onSwitch();
  }

  /** Something goes on. */
  onNews(): void {
    if (this.#isDue) this.#waitForCalm();
  }

  /** The generation may be another one. */
  onSwitch(): void {
    this.#isDue = true;
    this.#waitForCalm();
  }

  #waitForCalm(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#isDue = false;
      this.#collect();
    }, calmMs);
    this.#timer.unref();
  }
}

/** What `node --expose-gc` offers, without a flag that every way to start watchd would have to know of. */
function fullCollection(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
