import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Transform } from "./contract.ts";
import { type Batch, countRecords, DatasetError, hashDataset, readBatches } from "./extract.ts";
import type { Failure, Progress } from "./health.ts";
import { type Checkpoint, Store, StoreError } from "./load.ts";
import type { Settings } from "./settings.ts";
import { toolkit } from "./toolkit.ts";

export interface Job {
  readonly settings: Settings;
  readonly transform: Transform;
  readonly progress: Progress;
  readonly log: (message: string) => void;
  /** Ends the job after the batch in hand. */
  readonly signal: AbortSignal;
}

const retryMs = 500;

/**
 * Loads the data set from the checkpoint to its end, or until the signal comes. What the world can put right (a data set
 * that is not there, a full disk) is reported through `progress.failure` and tried again; a bug is thrown.
 */
export async function runJob(job: Job): Promise<void> {
  while (!job.signal.aborted) {
    try {
      await loadAll(job);
      return;
    } catch (error) {
      const failure = failureOf(error);
      if (failure === null) throw error;
      if (failure.reason !== job.progress.failure?.reason) job.log(`failing: ${failure.reason}`);
      job.progress.failure = failure;
      await pause(retryMs, job.signal);
    }
  }
}

/** The database holds rows of another data set. */
class ChangedDatasetError extends Error {
  override name = "ChangedDatasetError";
}

function failureOf(error: unknown): Failure | null {
  if (error instanceof DatasetError) return { reason: error.message, dependency: "dataset" };
  if (error instanceof StoreError || error instanceof ChangedDatasetError) {
    return { reason: error.message, dependency: null };
  }
  return null;
}

async function loadAll(job: Job): Promise<void> {
  const { settings, progress, signal } = job;
  const sha256 = await hashDataset(settings.dataset);
  const store = new Store(join(settings.stateDirectory, "cities.db"));
  try {
    let checkpoint = await findCheckpoint(job, store, sha256);
    if (checkpoint.position < checkpoint.total) {
      const reading = { from: checkpoint.byteOffset, rows: settings.batchRows };
      for await (const batch of readBatches(settings.dataset, reading)) {
        if (signal.aborted) break;
        checkpoint = loadBatch(job, store, checkpoint, batch);
        if (checkpoint.position < checkpoint.total) await pause(settings.batchPauseMs, signal);
      }
    }
    if (checkpoint.position < checkpoint.total) {
      if (!signal.aborted)
        throw new DatasetError(`the data set ended early, at record ${checkpoint.position}`);
      job.log(`stopped at record ${checkpoint.position}`);
      return;
    }
    progress.phase = "complete";
    progress.failure = null;
    job.log(`complete: ${checkpoint.loaded} loaded, ${checkpoint.rejected} rejected of ${checkpoint.total}`);
  } finally {
    store.close();
  }
}

async function findCheckpoint(job: Job, store: Store, sha256: string): Promise<Checkpoint> {
  const { settings, progress } = job;
  const found = store.checkpoint();
  if (found !== null && found.datasetSha256 !== sha256) {
    throw new ChangedDatasetError(
      `the data set has changed since record ${found.position} (SHA-256 ${sha256.slice(0, 12)}, ` +
        `before ${found.datasetSha256.slice(0, 12)}); move cities.db away to load it from its start`,
    );
  }
  const checkpoint = found ?? store.begin(sha256, await countRecords(settings.dataset));
  const { position, total } = checkpoint;
  const firstLook = progress.total === null;
  show(progress, checkpoint);
  if (firstLook && position > 0) progress.resumedFrom = position;
  if (position === 0) job.log(`loading ${total} records from the start`);
  else if (position < total) job.log(`resuming at record ${position} of ${total}`);
  return checkpoint;
}

function loadBatch(job: Job, store: Store, from: Checkpoint, batch: Batch): Checkpoint {
  const transformed = batch.records.map((record) => ({ record, outcome: job.transform(record, toolkit) }));
  const checkpoint = store.commit(from, transformed, batch.end);
  show(job.progress, checkpoint);
  writeProgressFile(job.settings.checkpointDirectory, checkpoint);
  job.progress.phase = "loading";
  job.progress.failure = null;
  return checkpoint;
}

function show(progress: Progress, checkpoint: Checkpoint): void {
  progress.loaded = checkpoint.loaded;
  progress.rejected = checkpoint.rejected;
  progress.total = checkpoint.total;
}

/** For people to look at. Nothing reads it back: the truth is in the database, so this needs no sync. */
function writeProgressFile(directory: string, checkpoint: Checkpoint): void {
  const file = join(directory, "progress.json");
  try {
    writeFileSync(
      `${file}.new`,
      `${JSON.stringify({ time: new Date().toISOString(), ...checkpoint }, null, 2)}\n`,
    );
    renameSync(`${file}.new`, file);
  } catch (error) {
    throw new StoreError(`${file} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

/** Ends early, without an error, when the signal comes. Even 0 ms lets waiting requests be answered. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
