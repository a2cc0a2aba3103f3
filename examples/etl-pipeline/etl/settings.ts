export interface Settings {
  /** Path of the data set: a JSON array of records. */
  readonly dataset: string;
  /** Path of the module that exports `transform`. */
  readonly transform: string;
  /** On 127.0.0.1. With 0 the system chooses; the log says which. */
  readonly port: number;
  readonly stateDirectory: string;
  readonly checkpointDirectory: string;
  /** Records in one transaction. */
  readonly batchRows: number;
  /** Rest between two batches; 0 loads as fast as the disk allows. */
  readonly batchPauseMs: number;
}

/** Lists everything that is wrong with the environment at once. */
export class SettingsError extends Error {
  override name = "SettingsError";
}

/** @throws SettingsError */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const problems: string[] = [];
  const text = (name: string): string => {
    const value = environment[name] ?? "";
    if (value === "") problems.push(`${name} is not set`);
    return value;
  };
  const whole = (name: string, min: number, max: number, fallback?: string): number => {
    const value = environment[name] ?? fallback;
    const number = /^\d{1,9}$/.test(value ?? "") ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) {
      problems.push(
        `${name} is ${value === undefined ? "not set" : JSON.stringify(value)}, not ${min} to ${max}`,
      );
    }
    return number;
  };
  const settings: Settings = {
    dataset: text("DATASET"),
    transform: text("TRANSFORM"),
    port: whole("PORT", 0, 65_535),
    stateDirectory: text("DARUMA_STATE_DIR"),
    checkpointDirectory: text("DARUMA_CHECKPOINT_DIR"),
    batchRows: whole("BATCH_ROWS", 1, 50_000, "1000"),
    batchPauseMs: whole("BATCH_PAUSE_MS", 0, 60_000, "0"),
  };
  if (problems.length > 0) throw new SettingsError(problems.join("; "));
  return settings;
}
