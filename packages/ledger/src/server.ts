import { join } from "node:path";
import type { Duplex } from "node:stream";
import {
  type DarumaError,
  type HistogramDocument,
  isDarumaError,
  serveStatus,
  serveUnix,
  streamed,
  type UnixServer,
} from "@daruma/base";
import { acceptLoss } from "./accept-loss.ts";
import { AppendSession } from "./append-session.ts";
import { ledgerErrors } from "./catalogue.ts";
import { Checkpointer, type CheckpointPace, defaultPace } from "./checkpointer.ts";
import { Committer } from "./committer.ts";
import type { Head } from "./entry.ts";
import { parseEntryQuery } from "./entry-query.ts";
import { streamEntries } from "./entry-stream.ts";
import type { Backoff } from "./hand-over.ts";
import { indexRoutes, valueRoutes } from "./index-routes.ts";
import { Indexer } from "./indexer.ts";
import { logSigner } from "./log-key.ts";
import { payloadRoutes } from "./payload-routes.ts";
import { proofRoutes } from "./proof-routes.ts";
import { dropPruned } from "./prune.ts";
import { pruneRoutes } from "./prune-routes.ts";
import { appendProtocol, operatorWriter } from "./request.ts";
import type { Signer } from "./signed-note.ts";
import { Store } from "./store.ts";
import { Witnesses, type WitnessSpec } from "./witnesses.ts";

export interface LedgerdOptions {
  /** Directory of the ledger; made if it is missing. */
  readonly store: string;
  /** Directory of the sockets; made if it is missing. */
  readonly sockets: string;
  /** Directories of writers whose socket is not in `sockets`. */
  readonly writerDirectories?: Readonly<Record<string, string>>;
  /** Socket for those who may know how the ledger is and nothing of what is in it. */
  readonly statusSocket?: string | undefined;
  readonly host: string;
  /** Each gets the socket WRITER.sock, and is the actor of what comes through it. */
  readonly writers: readonly string[];
  /** Go on from a damaged ledger without what does not verify, and say so in it. */
  readonly acceptLoss?: boolean;
  /** When checkpoints are signed. */
  readonly pace?: CheckpointPace;
  readonly witnesses?: readonly WitnessSpec[];
  /** Between attempts to hand a checkpoint to a witness. */
  readonly backoff?: Backoff;
  /** Told once when writing begins to fail, and with `null` once when it works again. */
  readonly onTrouble: (error: DarumaError | null) => void;
  /** Something failed that only this client will notice. */
  readonly onProblem: (error: unknown) => void;
  /** A witness takes no checkpoints, or takes them again (`null`). Told once each. */
  readonly onWitness?: (error: DarumaError | null, witness: string) => void;
  /** Nothing can be written any more: stop. */
  readonly onFatal: (error: unknown) => void;
}

export interface Ledgerd {
  /** Writer -> path of its socket. */
  readonly sockets: Readonly<Record<string, string>>;
  /** The last entry when it started. */
  readonly head: Head;
  /** Its public key, as a vkey. */
  readonly key: string;
  /** Finishes the group that is being written, then closes everything. May be called again. */
  stop(): Promise<void>;
}

/** What `GET /v1/status` answers. */
export interface LedgerStatus {
  readonly schemaVersion: 1;
  readonly host: string;
  readonly pid: number;
  readonly entries: number;
  readonly head: Head;
  /** Up to this one entries were pruned; 0 if none were. */
  readonly pruned: number;
  /** How many of the entries the last checkpoint covers. */
  readonly signed: number;
  /** How many of them, from the first one on, can be found by what they say. */
  readonly indexed: number;
  /** How many of them some witness has seen. */
  readonly witnessed: number;
  /** False after a failed write until one works again; appends are tried all the same. */
  readonly writable: boolean;
  /** How many are to see it. */
  readonly witnesses: number;
  /** Seconds that groups of entries took to be durable, since it started. */
  readonly syncs: HistogramDocument;
}

/** How long a client may take to receive its last answers when ledgerd stops. */
const lastAnswersMs = 1000;

/** How long witnesses may take to take the last checkpoint. A service manager waits longer than that. */
const lastHandOverMs = 3000;

/**
 * Opens the ledger and serves it.
 *
 * @throws what Store.open throws; LEDGER_E_KEY; SOCKET_E_PATH_TOO_LONG, SOCKET_E_IN_USE, SOCKET_E_UNUSABLE
 */
export async function startLedgerd(options: LedgerdOptions): Promise<Ledgerd> {
  const store = await openStore(options);
  const signer = await logSigner(store, options.acceptLoss ?? false).catch(async (error: unknown) => {
    await store.close();
    throw error;
  });
  const { head } = store.state;
  const committer = new Committer(store, options);
  const witnesses = new Witnesses({
    store,
    committer,
    specs: options.witnesses ?? [],
    onTrouble: options.onWitness ?? (() => undefined),
    onProblem: options.onProblem,
    ...(options.backoff === undefined ? {} : { backoff: options.backoff }),
  });
  const checkpointer = new Checkpointer({
    store,
    committer,
    signer,
    pace: options.pace ?? defaultPace,
    onSigned: (checkpoint) => witnesses.offer(checkpoint),
    onProblem: options.onProblem,
  });
  const indexer = new Indexer({ store, committer, onProblem: options.onProblem });
  const sessions = new Set<AppendSession>();
  const parts: Parts = {
    store,
    committer,
    checkpointer,
    signer,
    witnesses,
    witnessCount: options.witnesses?.length ?? 0,
    indexer,
    sessions,
    stopping: false,
  };
  const servers: UnixServer[] = [];
  let status: UnixServer | null = null;
  const close = async () => {
    parts.stopping = true;
    await committer.stop();
    await indexer.stop();
    await Promise.all([...sessions].map((session) => session.stop(lastAnswersMs)));
    await Promise.all([...servers, status].map((server) => server?.close()));
    await checkpointer.stop();
    await witnesses.stop(lastHandOverMs);
    await store.close();
  };
  try {
    for (const writer of options.writers) {
      servers.push(await serveWriter(writer, options, parts));
    }
    status = await serveStatus({
      path: options.statusSocket ?? null,
      status: () => statusOf(parts),
      onBug: options.onProblem,
    });
  } catch (error) {
    await close();
    throw error;
  }
  if (store.checkpoint !== null) witnesses.offer(store.checkpoint);
  checkpointer.start();
  if (store.indexFault !== null) options.onProblem(badIndex(store, store.indexFault));
  indexer.start();
  // A crash may have cut a pruning short.
  dropPruned(store, committer).catch(options.onProblem);
  let stopped: Promise<void> | null = null;
  return {
    head,
    key: signer.verifier.vkey,
    sockets: Object.fromEntries(servers.map((server, index) => [options.writers[index] ?? "", server.path])),
    stop: () => {
      stopped ??= close();
      return stopped;
    },
  };
}

function badIndex({ directory }: Store, why: string): DarumaError {
  const message = `the index in ${directory} ${why}; it is being made anew from the entries`;
  return ledgerErrors.make("LEDGER_E_INDEX", message, { where: directory });
}

/** With `acceptLoss`, a damaged ledger is set aside and what verifies of it goes on. */
async function openStore({ store, host, acceptLoss: accepts = false }: LedgerdOptions): Promise<Store> {
  try {
    return await Store.open(store, host);
  } catch (error) {
    if (!accepts || !isDarumaError(error) || error.code !== "LEDGER_E_DAMAGED") throw error;
    await acceptLoss(store, host, error.message);
    return await Store.open(store, host);
  }
}

interface Parts {
  readonly store: Store;
  readonly committer: Committer;
  readonly checkpointer: Checkpointer;
  readonly signer: Signer;
  readonly witnesses: Witnesses;
  readonly witnessCount: number;
  readonly indexer: Indexer;
  readonly sessions: Set<AppendSession>;
  stopping: boolean;
}

function serveWriter(writer: string, options: LedgerdOptions, parts: Parts): Promise<UnixServer> {
  const { store, committer, checkpointer, signer, witnesses, indexer } = parts;
  const directory = options.writerDirectories?.[writer];
  return serveUnix({
    path: join(directory ?? options.sockets, `${writer}.sock`),
    // A directory of its own lets in whom it is for.
    mode: directory === undefined ? 0o600 : 0o660,
    routes: {
      "GET /v1/status": async () => statusOf(parts),
      "GET /v1/entries": async (request) => {
        await streamEntries(
          { store, committer },
          parseEntryQuery(request),
          request.response,
          options.onProblem,
        );
        return streamed;
      },
      ...proofRoutes({ store, checkpointer, witnesses, verifier: signer.verifier }),
      ...valueRoutes(store),
      ...(writer === operatorWriter
        ? {
            ...indexRoutes(store, indexer),
            ...pruneRoutes(store, committer),
            ...payloadRoutes(store, committer),
          }
        : {}),
    },
    onUpgrade: (protocol, socket, head) => upgrade(protocol, socket, head, writer, parts),
    onBug: options.onProblem,
  });
}

function upgrade(protocol: string, socket: Duplex, head: Buffer, writer: string, parts: Parts): void {
  const status = parts.stopping ? "503 Service Unavailable" : "426 Upgrade Required";
  if (parts.stopping || protocol !== appendProtocol) {
    socket.on("error", () => socket.destroy());
    socket.end(`HTTP/1.1 ${status}\r\nUpgrade: ${appendProtocol}\r\nConnection: close\r\n\r\n`, () =>
      socket.destroy(),
    );
    return;
  }
  const { store, committer, sessions } = parts;
  const session = new AppendSession(socket, head, { writer, host: store.host, committer });
  sessions.add(session);
  socket.on("close", () => sessions.delete(session));
}

function statusOf({ store, committer, witnessCount }: Parts): LedgerStatus {
  const { head } = store.state;
  return {
    schemaVersion: 1,
    host: store.host,
    pid: process.pid,
    entries: head.seq,
    head,
    pruned: store.pruned.seq,
    signed: store.checkpoint?.size ?? 0,
    indexed: store.indexed,
    witnessed: Math.max(0, ...store.witnessed.values()),
    writable: store.writable,
    witnesses: witnessCount,
    syncs: committer.syncs.toDocument(),
  };
}
