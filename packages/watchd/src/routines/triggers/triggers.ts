import { join } from "node:path";
import { messageOf } from "@daruma/base";
import type { RoutineManifest } from "@daruma/config";
import type { LedgerFollow } from "../../ledger-follow.ts";
import { Busy } from "../../webhooks/receiver.ts";
import type { RoutineEngine } from "../engine.ts";
import { entriesOf } from "../manifest.ts";
import { requestRun } from "../requests.ts";
import { type EntryWatchOptions, watchEntries } from "./entries.ts";
import { FileWatch } from "./files.ts";
import { openWebhooks, type Webhooks } from "./webhooks.ts";

export interface TriggersOptions {
  readonly engine: RoutineEngine;
  readonly stateDir: string;
  /** A socket of ledgerd. */
  readonly ledgerSocket: string;
  readonly now: () => number;
  readonly log: (message: string) => void;
}

type Declared = Readonly<Record<string, RoutineManifest>>;

/** What fires routines beside their schedules and each other. What no generation asks for costs nothing. */
export class Triggers {
  readonly #options: TriggersOptions;
  #entries: Part<LedgerFollow> = none;
  #files: Part<FileWatch> = none;
  #webhooks: Part<Webhooks> = none;
  /** Only then does what is remembered of the ledger belong to what is declared. */
  #first = true;
  /** One at a time: nothing is opened twice. */
  #turn: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: TriggersOptions) {
    this.#options = options;
  }

  /**
   * Listens to what the current generation declares, once the core has been told of it. Called again with the same, it tries
   * what could not begin.
   */
  follow(declared: Declared): Promise<void> {
    this.#turn = this.#turn.then(() => this.#follow(declared));
    return this.#turn;
  }

  async #follow(declared: Declared): Promise<void> {
    if (this.#closed) return;
    const { log } = this.#options;
    const routines = Object.values(declared);
    this.#entries = await this.#renewEntries(routines.flatMap(({ on }) => entriesOf(on)));
    const paths = [...new Set(routines.flatMap(({ on }) => on.files))].sort();
    this.#files = await renew(this.#files, paths, () => this.#openFiles(paths), log);
    const hooks = Object.fromEntries(
      Object.entries(declared).flatMap(([name, { webhook }]) => (webhook === null ? [] : [[name, webhook]])),
    );
    this.#webhooks = await renew(this.#webhooks, Object.entries(hooks), () => this.#openWebhooks(hooks), log);
    this.#first = false;
  }

  /** Has it remembered how far the ledger has been looked at. */
  remember(): void {
    const upTo = this.#entries.running?.upTo ?? null;
    const { engine } = this.#options;
    if (upTo !== null && upTo !== engine.state.ledgerSeq)
      engine.dispatch({ type: "entries", upTo, found: [] });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn;
    await this.#webhooks.running?.close();
    await this.#files.running?.close();
    await this.#entries.running?.close();
    this.remember();
    this.#webhooks = none;
    this.#files = none;
    this.#entries = none;
  }

  async #renewEntries(filters: ReturnType<typeof entriesOf>): Promise<Part<LedgerFollow>> {
    const { engine, ledgerSocket, log } = this.#options;
    const before = this.#entries;
    const after = this.#first ? engine.state.ledgerSeq : (before.running?.upTo ?? null);
    const onFound: EntryWatchOptions["onFound"] = (upTo, found) =>
      engine.dispatch({ type: "entries", upTo, found });
    const open = () => watchEntries({ socket: ledgerSocket, filters, after, onFound, log });
    return renew(before, filters, open, log);
  }

  #openFiles(paths: readonly string[]): FileWatch {
    const { engine, stateDir, log } = this.#options;
    return new FileWatch({
      paths,
      memory: join(stateDir, "watchd", "routine-files.json"),
      onChange: async (name, cause) => void (await engine.ask({ type: "occurred", name, cause })),
      log,
    });
  }

  #openWebhooks(hooks: Parameters<typeof openWebhooks>[0]["hooks"]): Promise<Webhooks> {
    const { engine, stateDir, now, log } = this.#options;
    return openWebhooks({
      hooks,
      memory: join(stateDir, "watchd", "webhook-deliveries"),
      take: async (routine, path, id, body) => {
        const event = { type: "request", routine, cause: `webhook ${path}`, request: id } as const;
        const { outcome, why } = await requestRun({ stateDir, engine }, event, body);
        // A firing that is skipped is what its routine wants. One that finds the queue full is lost, unless it comes again.
        if (outcome === "dropped") throw new Busy(`routine ${routine} has dropped it: ${why}`);
      },
      note: (record) => engine.note(record),
      now,
      log,
    });
  }
}

interface Part<T> {
  readonly running: T | null;
  readonly key: string;
}

const none = { running: null, key: "[]" } as const;

/**
 * Goes on with what runs if it is what is wanted, and otherwise ends it and begins that. What cannot begin is asked for again
 * at the next turn: it must not take down what watches over the agents.
 */
async function renew<T extends { close(): Promise<void> }>(
  part: Part<T>,
  wanted: readonly unknown[],
  open: () => T | Promise<T>,
  log: (message: string) => void,
): Promise<Part<T>> {
  const key = JSON.stringify(wanted);
  if (key === part.key) return part;
  await part.running?.close();
  try {
    return { running: wanted.length === 0 ? null : await open(), key };
  } catch (error) {
    log(`what fires routines cannot be listened to: ${messageOf(error)}`);
    return { running: null, key: "failed" };
  }
}
