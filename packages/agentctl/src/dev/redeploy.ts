import { isDarumaError } from "@daruma/base";
import type { Build, Deployed } from "@daruma/watchd";
import { mayComeBack, pause } from "../instance/patience.ts";
import { activate, type Plan, type Preparation, type Prepared, prepare, type Target } from "./deploy.ts";
import type { DevReport } from "./report.ts";
import { SourceWatcher, type WatchTargets } from "./watch.ts";

export interface RedeployerOptions {
  readonly plan: Plan;
  readonly target: Target;
  /** What has to be there before the agents of a generation start. */
  readonly beforeDeploy: (build: Build) => Promise<void>;
  readonly report: DevReport;
  readonly watch: boolean;
  readonly signal: AbortSignal;
}

/** Preparing that takes longer than this says that it is under way. */
const silentMs = 500;
/** A daemon that is being restarted is waited for this long. */
const patienceMs = 5_000;
const retryMs = 200;

/** Like `prepare`, and says so when it takes long. */
export async function prepareAloud(plan: Plan, report: DevReport, signal: AbortSignal): Promise<Preparation> {
  const timer = setTimeout(() => report.progress("reading the fleet and copying its sources"), silentMs);
  try {
    return await prepare(plan, signal);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Deploys one generation after the other. A change during a deploy is deployed after it; what cannot be deployed is
 * told, and leaves everything as it is.
 */
export class Redeployer {
  readonly #options: RedeployerOptions;
  readonly #watcher: SourceWatcher | null;
  #working: Promise<void> | null = null;
  #again = false;
  #closed = false;

  constructor(options: RedeployerOptions) {
    this.#options = options;
    this.#watcher = options.watch ? this.#createWatcher() : null;
  }

  /**
   * Deploys what has been prepared, and watches from then on.
   *
   * @throws why it cannot be deployed, if there is no older generation to keep running instead
   */
  async begin(first: Prepared, targets: WatchTargets): Promise<void> {
    const beginning = this.#beginWith(first, targets);
    // What changes meanwhile is deployed after it: of two deploys at once, the older could be the last to switch.
    this.#working = beginning
      .catch(() => undefined)
      .then(() => this.#deployAll())
      .finally(() => {
        this.#working = null;
      });
    await beginning;
  }

  async #beginWith(first: Prepared, targets: WatchTargets): Promise<void> {
    await this.#watcher?.update(targets);
    try {
      await this.#activate(first);
    } catch (error) {
      const current = await this.#currentNumber();
      if (!isDarumaError(error) || current === null) throw error;
      await this.#options.report.refused(error, current);
    }
  }

  /** Waits for a deploy that is under way; begins no other. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#watcher?.close();
    await this.#working;
  }

  #createWatcher(): SourceWatcher {
    const { report } = this.#options;
    return new SourceWatcher({
      onChange: () => this.#changed(),
      onProblem: (directory, message) =>
        report.note(`cannot watch ${directory}: ${message}; changes there are not seen`),
    });
  }

  #changed(): void {
    this.#again = true;
    this.#working ??= this.#deployAll().finally(() => {
      this.#working = null;
    });
  }

  async #deployAll(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        await this.#deployOnce();
      } catch (error) {
        if (this.#options.signal.aborted) return;
        // More has changed meanwhile: what was wrong with half of it is not worth a word.
        if (this.#again || this.#watcher?.isSettling) continue;
        await this.#options.report.refused(error, await this.#currentNumber());
      }
    }
  }

  async #deployOnce(): Promise<void> {
    const { plan, report, signal } = this.#options;
    const preparation = await prepareAloud(plan, report, signal);
    await this.#watcher?.update(preparation.targets);
    if (!preparation.ok) throw preparation.error;
    report.build(preparation.prepared.build);
    await this.#activate(preparation.prepared);
  }

  async #activate(prepared: Prepared): Promise<void> {
    const { target, report, beforeDeploy } = this.#options;
    await beforeDeploy(prepared.build);
    await report.deployed(await this.#activatePatiently(prepared));
    await target.generations.collectGarbage().catch((error: unknown) => {
      if (!isDarumaError(error)) throw error;
      report.note(`old generations could not be removed: ${error.message}`);
    });
  }

  async #activatePatiently(prepared: Prepared): Promise<Deployed> {
    const { target, signal } = this.#options;
    const deadline = performance.now() + patienceMs;
    for (;;) {
      try {
        return await activate(prepared, target);
      } catch (error) {
        if (!mayComeBack(error) || performance.now() > deadline) throw error;
        await pause(retryMs, signal);
      }
    }
  }

  async #currentNumber(): Promise<number | null> {
    const { generations } = this.#options.target;
    // The answer only words a message about another error.
    return generations.current().then(
      (current) => current?.number ?? null,
      () => null,
    );
  }
}
