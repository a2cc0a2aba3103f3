import { mkdir } from "node:fs/promises";
import { isDarumaError, messageOf } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import { type OpenFile, openFiles, setAside } from "./files.ts";
import { type Lock, lockDirectory } from "./lock.ts";
import { type Reading, type Recovered, readJournal } from "./recover.ts";
import { createWriter, type JournalWriter } from "./writer.ts";

export interface JournalOptions {
  /** Belongs to the journal alone; made if it is not there. */
  readonly dir: string;
  /** Allocated for each of the two files, in bytes; they grow where a snapshot needs more. Default 4 MiB. */
  readonly capacityBytes?: number;
  /**
   * Only when a person asked for it: go on with what can be read of a damaged journal. Copies of the files are kept
   * beside them, as `journal-N.damaged-*`.
   */
  readonly acceptLoss?: boolean;
}

export interface Journal extends Pick<JournalWriter, "nearlyFull" | "append" | "snapshot"> {
  /**
   * The last snapshot and what was appended since; `null` where nothing was ever acknowledged, and again from the next
   * snapshot on, which holds it all: it may be large.
   */
  readonly recovered: Recovered | null;
  /** With `acceptLoss`: what was lost, and where the copies are. */
  readonly loss: { readonly reason: string; readonly copies: readonly string[] } | null;
  /** Resolves once all that was appended is on disk, the files are closed and another process may have the journal. */
  close(): Promise<void>;
}

const defaultCapacityBytes = 4 * 1024 * 1024;
const leastCapacityBytes = 4096;

/**
 * Opens watchd's journal: the intents and observations that must survive watchd. The caller takes a snapshot first
 * (of what it made of `recovered`), then appends; when `nearlyFull` says so, it takes another one.
 *
 * @throws WATCHD_E_ALREADY_RUNNING, WATCHD_E_JOURNAL_DAMAGED, WATCHD_E_JOURNAL_VERSION, WATCHD_E_JOURNAL_UNUSABLE
 */
export async function openJournal(options: JournalOptions): Promise<Journal> {
  const { dir } = options;
  const capacityBytes = options.capacityBytes ?? defaultCapacityBytes;
  if (!(capacityBytes >= leastCapacityBytes))
    throw new RangeError(`capacityBytes is below ${leastCapacityBytes}`);
  let lock: Lock | undefined;
  let files: readonly OpenFile[] = [];
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    lock = await lockDirectory(dir);
    const [first, second] = await openFiles(dir, capacityBytes);
    files = [first, second];
    const reading = readJournal([await first.read(), await second.read()]);
    const loss = await settleDamage(reading, files, options);
    const writer = createWriter({ ...reading, files: [first.file, second.file] });
    return assemble(writer, reading.recovered, loss, { lock, files });
  } catch (error) {
    for (const file of files) await file.close();
    await lock?.release();
    if (isDarumaError(error)) throw error;
    throw watchdErrors.make("WATCHD_E_JOURNAL_UNUSABLE", `cannot use the journal: ${messageOf(error)}`, {
      where: dir,
      cause: error,
    });
  }
}

async function settleDamage(
  { damage }: Reading,
  files: readonly OpenFile[],
  { dir, acceptLoss }: JournalOptions,
): Promise<Journal["loss"]> {
  if (damage === null) return null;
  if (acceptLoss !== true) throw watchdErrors.make("WATCHD_E_JOURNAL_DAMAGED", damage, { where: dir });
  return { reason: damage, copies: await setAside(files) };
}

function assemble(
  writer: JournalWriter,
  recovered: Recovered | null,
  loss: Journal["loss"],
  held: { readonly lock: Lock; readonly files: readonly OpenFile[] },
): Journal {
  let closing: Promise<void> | undefined;
  const close = async () => {
    await writer.drain();
    for (const file of held.files) await file.close();
    await held.lock.release();
  };
  let kept = recovered;
  return {
    get recovered() {
      return kept;
    },
    loss,
    get nearlyFull() {
      return writer.nearlyFull;
    },
    append: (record) => writer.append(record),
    async snapshot(state) {
      await writer.snapshot(state);
      kept = null;
    },
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}
