import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { systemCode, writeFileAtomic } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import type { Checkpoint, SignedCheckpoint } from "./checkpoint.ts";
import { printNote, type Signer, signText, type Verifier } from "./signed-note.ts";
import { type AddCheckpoint, decide, readRecord, type WitnessDecision } from "./witness.ts";

/** A decision, and for a checkpoint that was cosigned the line of the signature. */
export type WitnessAnswer =
  | { readonly status: 200; readonly cosignature: string }
  | Exclude<WitnessDecision, { readonly status: 200 }>;

/** SHA-256 of a log's origin in hex: its name in paths (tlog-witness, monitor retrieval). */
export function originHash(origin: string): string {
  return hash("sha256", origin);
}

/** What a witness remembers: of each log the last checkpoint that it has cosigned. */
export class WitnessRecords {
  readonly #directory: string;
  readonly #signer: Signer;
  readonly #logs: ReadonlyMap<string, Verifier>;
  readonly #last: Map<string, SignedCheckpoint>;
  /** Requests are decided one after the other, each from what the one before has recorded. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    directory: string,
    signer: Signer,
    logs: ReadonlyMap<string, Verifier>,
    last: Map<string, SignedCheckpoint>,
  ) {
    this.#directory = directory;
    this.#signer = signer;
    this.#logs = logs;
    this.#last = last;
  }

  /**
   * Reads the records of all logs. One that is unreadable must not count as none: the witness would begin anew, and cosign
   * what contradicts it.
   *
   * @throws LEDGER_E_WITNESS_RECORD
   */
  static async open(directory: string, signer: Signer, logs: readonly Verifier[]): Promise<WitnessRecords> {
    const last = new Map<string, SignedCheckpoint>();
    for (const log of logs) {
      const file = join(directory, originHash(log.name));
      const text = await readFile(file, "utf8").catch((error: unknown) => {
        if (systemCode(error) === "ENOENT") return null;
        throw error;
      });
      if (text === null) continue;
      const record = readRecord(text, log, signer.verifier);
      if (record === null) {
        const message = `the record ${file} of the log ${log.name} is damaged, or made with another key`;
        throw ledgerErrors.make("LEDGER_E_WITNESS_RECORD", message, { where: file });
      }
      last.set(log.name, record);
    }
    return new WitnessRecords(directory, signer, new Map(logs.map((log) => [log.name, log])), last);
  }

  /** The last checkpoint of a log, by the hash of its origin, with its signatures. */
  find(hashOfOrigin: string): SignedCheckpoint | null {
    for (const [origin, checkpoint] of this.#last) if (originHash(origin) === hashOfOrigin) return checkpoint;
    return null;
  }

  last(origin: string): Checkpoint | null {
    return this.#last.get(origin) ?? null;
  }

  /** Decides, and records what it cosigns before it answers. */
  async add(request: AddCheckpoint, timeSeconds: number): Promise<WitnessAnswer> {
    const answer = this.#turn.then(() => this.#add(request, timeSeconds));
    this.#turn = answer.catch(() => undefined);
    return await answer;
  }

  async #add(request: AddCheckpoint, timeSeconds: number): Promise<WitnessAnswer> {
    const { origin, note } = request.checkpoint;
    const log = this.#logs.get(origin);
    const decision = decide(request, log, this.last(origin));
    if (decision.status !== 200 || log === undefined) return decision as WitnessAnswer;
    const cosignature = signText(this.#signer, note.text, timeSeconds);
    const ofLog = note.signatures.filter(({ name, id }) => name === log.name && id === log.id);
    const cosigned = { text: note.text, signatures: [...ofLog, cosignature] };
    await writeFileAtomic(join(this.#directory, originHash(origin)), printNote(cosigned), 0o600);
    this.#last.set(origin, { ...request.checkpoint, note: cosigned });
    return { status: 200, cosignature: cosignature.line };
  }
}
