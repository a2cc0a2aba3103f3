import { request } from "node:http";
import type { Duplex } from "node:stream";
import {
  baseErrors,
  callUnix,
  canonicalize,
  checkSocketPath,
  DarumaError,
  isDarumaError,
  messageOf,
  systemCode,
} from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { type EntryDraft, isPlainObject, type JsonObject, maxEntryBytes } from "./entry.ts";
import { type OutboxKey, tooLarge } from "./group.ts";
import { LineSplitter } from "./lines.ts";
import { appendProtocol } from "./request.ts";
import type { LedgerStatus } from "./server.ts";

export interface AppendRequest extends EntryDraft {
  /** The agent whose entry it is, which becomes its actor. For the writer that serves agents only. */
  readonly agent?: string;
  /** Kept beside the entry, which holds only a commitment to it, so that it can be erased. */
  readonly payload?: JsonObject;
  /** Makes the append idempotent. Keys of one writer must be appended in order. */
  readonly key?: OutboxKey;
}

/** What became of an append. A duplicate was durable before, under this key. */
export type Appended =
  | { readonly duplicate: false; readonly seq: number; readonly hash: string; readonly time: string }
  | { readonly duplicate: true };

export interface LedgerConnection {
  /**
   * Resolves once the entry is durable. Many may be under way at once; those that succeed are written, and resolve, in
   * the order of the calls. How many is up to the caller: nothing here bounds them.
   *
   * @throws any LEDGER_E_* of ledgerd; LEDGER_E_DISCONNECTED if the outcome is unknown; JSON_E_NOT_CANONICAL
   */
  append(request: AppendRequest): Promise<Appended>;
  /** Resolves when the connection is gone, for whatever reason. */
  readonly closed: Promise<void>;
  /** Waits for the answers that are due, at most `withinMs` (default 5,000), then disconnects. */
  close(withinMs?: number): Promise<void>;
}

export interface ConnectOptions {
  readonly socket: string;
  /** Default 10,000. */
  readonly timeoutMs?: number;
}

/**
 * Connects to a writer's socket for appending.
 *
 * @throws SOCKET_E_PATH_TOO_LONG, SOCKET_E_UNREACHABLE, SOCKET_E_TIMEOUT, SOCKET_E_PROTOCOL
 */
export async function connectLedger(options: ConnectOptions): Promise<LedgerConnection> {
  checkSocketPath(options.socket);
  const { socket, head } = await upgrade(options.socket, options.timeoutMs ?? 10_000);
  return new Connection(options.socket, socket, head);
}

/** @throws SOCKET_E_PATH_TOO_LONG, SOCKET_E_UNREACHABLE, SOCKET_E_TIMEOUT, SOCKET_E_PROTOCOL */
export async function ledgerStatus(options: ConnectOptions): Promise<LedgerStatus> {
  const document = await callUnix({
    path: options.socket,
    method: "GET",
    route: "/v1/status",
    timeoutMs: options.timeoutMs ?? 10_000,
  });
  if (isPlainObject(document) && document.schemaVersion === 1 && isPlainObject(document.head)) {
    return document as unknown as LedgerStatus;
  }
  throw protocolError(options.socket, "its status has another shape");
}

interface Waiting {
  resolve(appended: Appended): void;
  reject(error: DarumaError): void;
}

class Connection implements LedgerConnection {
  readonly closed: Promise<void>;
  readonly #path: string;
  readonly #socket: Duplex;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #requests = "";
  #lost: DarumaError | null = null;
  /** The first key of its epoch that was refused before it was sent. */
  #held: OutboxKey | null = null;

  constructor(path: string, socket: Duplex, head: Buffer) {
    this.#path = path;
    this.#socket = socket;
    const lines = new LineSplitter(maxEntryBytes, {
      onLine: (bytes) => this.#take(bytes.toString("utf8")),
      onTooLong: () => this.#lose(protocolError(path, "a line is too long")),
    });
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("data", (chunk: Buffer) => lines.push(chunk));
    socket.on("error", (cause) => this.#lose(disconnected(path, cause)));
    socket.on("close", () => this.#lose(disconnected(path)));
    lines.push(head);
  }

  async append(request: AppendRequest): Promise<Appended> {
    if (this.#lost !== null) throw this.#lost;
    if (this.#socket.writableEnded) throw disconnected(this.#path);
    const id = this.#lastId + 1;
    const line = this.#print(id, request);
    this.#lastId = id;
    if (this.#requests === "") process.nextTick(() => this.#flush());
    this.#requests += `${line}\n`;
    return await new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** What is refused here never reaches ledgerd, which could not keep later keys from overtaking it: this does. */
  #print(id: number, request: AppendRequest): string {
    const { key } = request;
    const held = this.#held;
    if (key !== undefined && held?.epoch === key.epoch && key.n > held.n) {
      const message = `append ${held.n} of epoch ${held.epoch} was not sent and must come before ${key.n}`;
      throw ledgerErrors.make("LEDGER_E_OUT_OF_ORDER", message);
    }
    try {
      const line = printRequest(id, request);
      if (line.length * 3 > maxEntryBytes && Buffer.byteLength(line) > maxEntryBytes) throw tooLarge();
      if (key !== undefined && (held?.epoch !== key.epoch || held.n === key.n)) this.#held = null;
      return line;
    } catch (error) {
      this.#held = key ?? held;
      throw error;
    }
  }

  async close(withinMs = 5000): Promise<void> {
    this.#flush();
    this.#socket.end();
    const timer = setTimeout(() => this.#socket.destroy(), withinMs);
    await this.closed;
    clearTimeout(timer);
  }

  /** All appends of one turn of the event loop leave in one write. */
  #flush(): void {
    const requests = this.#requests;
    this.#requests = "";
    if (requests !== "" && !this.#socket.writableEnded) this.#socket.write(requests);
  }

  #take(text: string): void {
    const answer = parseAnswer(text);
    const waiting = answer === null ? undefined : this.#waiting.get(answer.id);
    if (answer === null || waiting === undefined) {
      this.#lose(protocolError(this.#path, "an answer to no request"));
      return;
    }
    this.#waiting.delete(answer.id);
    if (isDarumaError(answer.outcome)) waiting.reject(answer.outcome);
    else waiting.resolve(answer.outcome);
  }

  #lose(error: DarumaError): void {
    if (this.#lost !== null) return;
    this.#lost = error;
    this.#socket.destroy();
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

/** `id` first: it lets ledgerd name a line that it cannot read. */
function printRequest(id: number, request: AppendRequest): string {
  const { action, subject, incident, run, agent, key } = request;
  const rest = JSON.stringify({ action, subject, incident, run, agent, key });
  // Not JSON.stringify: it would turn NaN into null without a word.
  const payload = request.payload === undefined ? "" : `"payload":${canonicalize(request.payload)},`;
  return `{"id":${id},"details":${canonicalize(request.details)},${payload}${rest.slice(1)}`;
}

interface Answer {
  readonly id: number;
  readonly outcome: Appended | DarumaError;
}

function parseAnswer(text: string): Answer | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isPlainObject(value) || typeof value.id !== "number") return null;
  const { id, seq, hash, time, error } = value;
  if (isPlainObject(error)) return { id, outcome: remoteError(error) };
  if (value.duplicate === true) return { id, outcome: { duplicate: true } };
  if (typeof seq !== "number" || typeof hash !== "string" || typeof time !== "string") return null;
  return { id, outcome: { duplicate: false, seq, hash, time } };
}

function remoteError(error: Record<string, unknown>): DarumaError {
  const code = String(error.code);
  const message = String(error.message);
  // A newer ledgerd may know codes that this release does not.
  const known = Object.entries(ledgerErrors.catalogue).find(([name]) => name === code)?.[1];
  const entry = known ?? { summary: message, remedy: String(error.hint), exit: 1 };
  return new DarumaError(code, entry, message, { hint: String(error.hint) });
}

function upgrade(path: string, timeoutMs: number): Promise<{ socket: Duplex; head: Buffer }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      socketPath: path,
      path: "/v1/append",
      agent: false,
      headers: { connection: "Upgrade", upgrade: appendProtocol },
    });
    const timer = setTimeout(() => {
      const message = `no answer from ${path} within ${timeoutMs} ms`;
      outgoing.destroy(baseErrors.make("SOCKET_E_TIMEOUT", message, { where: path }));
    }, timeoutMs);
    outgoing.on("upgrade", (_response, socket, head) => {
      clearTimeout(timer);
      resolve({ socket, head });
    });
    outgoing.on("response", (response) => {
      clearTimeout(timer);
      response.destroy();
      if (response.statusCode !== 503) reject(protocolError(path, `it answered ${response.statusCode}`));
      else reject(ledgerErrors.make("LEDGER_E_STOPPING", `ledgerd at ${path} is stopping`, { where: path }));
    });
    outgoing.on("error", (cause) => {
      clearTimeout(timer);
      if (isDarumaError(cause)) return reject(cause);
      const reason = systemCode(cause) === "ENOENT" ? "the socket does not exist" : messageOf(cause);
      reject(
        baseErrors.make("SOCKET_E_UNREACHABLE", `cannot reach ${path}: ${reason}`, { where: path, cause }),
      );
    });
    outgoing.end();
  });
}

function disconnected(path: string, cause?: unknown): DarumaError {
  const why = cause === undefined ? "" : `: ${messageOf(cause)}`;
  return ledgerErrors.make("LEDGER_E_DISCONNECTED", `the connection to ledgerd at ${path} ended${why}`, {
    where: path,
    cause,
  });
}

function protocolError(path: string, why: string): DarumaError {
  return baseErrors.make("SOCKET_E_PROTOCOL", `${path} does not speak ${appendProtocol}: ${why}`, {
    where: path,
  });
}
