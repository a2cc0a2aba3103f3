/**
 * Through its socket an agent tells what it has read and made, and that it gets on. This file needs Node alone and nothing beside it: copy it to
 * an agent's code (as it is for Node 24, or dist/agent.mjs for an older one), or bundle it.
 * docs/concepts/agent-socket.md tells what is said here in HTTP, for any language.
 */
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** A file, a table, a message, a row: whatever the agent's data is made of. */
export interface DataRecord {
  /** 1 to 64 letters, digits and `._-`, a letter first; not `run` or `generation`. */
  readonly type: string;
  /** Names the record among those of its type; with the type at most 255 characters. */
  readonly id: string;
  readonly version?: string;
  /** Of its bytes, in lower-case hex. */
  readonly sha256?: string;
  /** Joins what one piece of work within the run consumes and produces. Without it, the whole run is one. */
  readonly activity?: string;
  /** JSON that the ledger keeps beside the entry, which only commits to it: what may have to be erased one day. */
  readonly payload?: object;
}

/** Where in the ledger it stands. */
export interface Receipt {
  readonly seq: number;
  readonly hash: string;
}

export interface Self {
  readonly name: string;
  /** Number of the generation that is current. */
  readonly generation: number | null;
  readonly run: string | null;
  readonly state: string | null;
}

export interface Options {
  /** Default: `DARUMA_SOCKET`. */
  readonly socket?: string;
  /** How long to try again while watchd or the ledger is away, or the agent is too fast. Default: 30,000; 0: once. */
  readonly withinMs?: number;
}

export class AgentSocketError extends Error {
  override readonly name = "AgentSocketError";
  /** Of Daruma's errors (docs/reference/errors.md), or of the system (`ENOENT`). */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Says that this run has used a record. Resolves once that is durable in the ledger. Tried again after an answer that never
 * came, it may be there twice, which means the same as once.
 *
 * @throws AgentSocketError
 */
export function consume(record: DataRecord, options?: Options): Promise<Receipt>;
export function consume(records: readonly DataRecord[], options?: Options): Promise<readonly Receipt[]>;
export function consume(given: DataRecord | readonly DataRecord[], options?: Options): Promise<unknown> {
  return say("/v1/consume", given, options);
}

/**
 * Says that this run has made a record, of what it has consumed before. Otherwise like `consume`.
 *
 * @throws AgentSocketError
 */
export function produce(record: DataRecord, options?: Options): Promise<Receipt>;
export function produce(records: readonly DataRecord[], options?: Options): Promise<readonly Receipt[]>;
export function produce(given: DataRecord | readonly DataRecord[], options?: Options): Promise<unknown> {
  return say("/v1/produce", given, options);
}

/**
 * Says that this run gets on with its work: call it from the place where that shows, not from a timer of its own. `everyMs` is how
 * often the agent is to say so, null where nobody listens for it.
 *
 * @throws AgentSocketError
 */
export async function heartbeat(options?: Options): Promise<{ readonly everyMs: number | null }> {
  const { everyMs } = await ask("POST", "/v1/heartbeat", undefined, options);
  return { everyMs: typeof everyMs === "number" ? everyMs : null };
}

/**
 * Tells the counter of this run's work, for an agent that declares `progress`: a number that rises as the work gets on. `withinMs` is the
 * time within which it has to, null where nobody looks.
 *
 * @param count a whole number, not negative
 * @throws AgentSocketError
 */
export async function progress(
  count: number,
  options?: Options,
): Promise<{ readonly withinMs: number | null }> {
  const { withinMs } = await ask("POST", "/v1/progress", JSON.stringify({ count }), options);
  return { withinMs: typeof withinMs === "number" ? withinMs : null };
}

/**
 * Says that this run has nothing to do for so long (0: it has again). Who is to be restarted because it uses too much is restarted then;
 * and a counter need not rise. `restart` says that it is about to be asked to stop.
 *
 * @param forMs milliseconds, at most 7 days
 * @throws AgentSocketError
 */
export async function idle(forMs: number, options?: Options): Promise<{ readonly restart: boolean }> {
  const { restart } = await ask("POST", "/v1/idle", JSON.stringify({ forMs }), options);
  return { restart: restart === true };
}

/**
 * Asks to be restarted, which is no failure: watchd stops the agent as it declares and starts it again. What an agent starts itself
 * for that would be stopped along with it. Resolves once that is on its way.
 *
 * @throws AgentSocketError with AGENT_E_TOO_SOON in the first 10 seconds of a run, and with AGENT_E_TOO_OFTEN if it has been
 *   restarted so `restart.attempts` times within `restart.within`
 */
export async function restart(options?: Options): Promise<void> {
  await ask("POST", "/v1/restart", undefined, options);
}

/**
 * How watchd sees this agent.
 *
 * @throws AgentSocketError
 */
export async function self(options?: Options): Promise<Self> {
  return (await ask("GET", "/v1/self", undefined, options)) as unknown as Self;
}

type Document = Readonly<Record<string, unknown>>;

async function say(route: string, given: unknown, options?: Options): Promise<unknown> {
  const answer = await ask("POST", route, JSON.stringify(given), options);
  return Array.isArray(given) ? answer.entries : { seq: answer.seq, hash: answer.hash };
}

const patience = 30_000;
/** Each attempt has at least this long: watchd waits 5 seconds for the ledger. */
const attemptMs = 6_000;
/** Where the answer does not say how long to wait: watchd is away for a moment when it is restarted. */
const againMs = 200;
const awayCodes: readonly string[] = ["ENOENT", "ECONNREFUSED", "ECONNRESET", "EPIPE"];

async function ask(
  method: string,
  route: string,
  body: string | undefined,
  options: Options = {},
): Promise<Document> {
  const socket = options.socket ?? process.env.DARUMA_SOCKET;
  if (!socket)
    throw new AgentSocketError("NO_SOCKET", "DARUMA_SOCKET is not set: this is no agent of Daruma");
  const end = performance.now() + (options.withinMs ?? patience);
  for (;;) {
    const left = end - performance.now();
    const answer = await once(socket, method, route, body, Math.max(attemptMs, left));
    if ("document" in answer) return answer.document;
    if (answer.againMs === null || performance.now() + answer.againMs > end) throw answer.error;
    await sleep(answer.againMs);
  }
}

type Answer =
  | { readonly document: Document }
  /** After `againMs` it makes sense to ask again; after null it does not. */
  | { readonly error: AgentSocketError; readonly againMs: number | null };

function once(
  socketPath: string,
  method: string,
  path: string,
  body: string | undefined,
  timeoutMs: number,
): Promise<Answer> {
  return new Promise((resolve) => {
    const fail = (error: NodeJS.ErrnoException) => {
      const code = error.code ?? "FAILED";
      const again = awayCodes.includes(code) ? againMs : null;
      resolve({ error: new AgentSocketError(code, `${socketPath}: ${error.message}`), againMs: again });
    };
    const headers = body === undefined ? {} : { "content-type": "application/json" };
    const outgoing = request({ socketPath, method, path, headers, agent: false }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () =>
        resolve(read(response.statusCode ?? 0, response.headers["retry-after"], text)),
      );
      response.on("error", fail);
    });
    const timer = setTimeout(
      () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    outgoing.on("error", fail);
    outgoing.on("close", () => clearTimeout(timer));
    outgoing.end(body);
  });
}

function read(status: number, retryAfter: string | undefined, text: string): Answer {
  let document: Document;
  try {
    document = JSON.parse(text);
  } catch {
    return {
      error: new AgentSocketError("NO_JSON", `watchd answered ${status} without JSON`),
      againMs: null,
    };
  }
  if (status === 200) return { document };
  const { code, message } = (document.error ?? {}) as { code?: string; message?: string };
  const error = new AgentSocketError(code ?? `HTTP_${status}`, message ?? `watchd answered ${status}`);
  return { error, againMs: retryAfter === undefined ? null : Number(retryAfter) * 1000 };
}
