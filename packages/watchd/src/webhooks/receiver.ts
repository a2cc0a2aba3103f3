import { createHash, createHmac, randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Replays } from "./replays.ts";
import type { Refusal, Scheme } from "./scheme.ts";
import { verifyDelivery } from "./verify.ts";

export interface Route {
  readonly scheme: Scheme;
  /** Asked for at each delivery: secrets are changed while this runs. */
  readonly secrets: () => Promise<readonly string[]>;
  /** Longer bodies are refused. At most `mostBytes` of the receiver. */
  readonly bodyBytes: number;
}

export interface Taken {
  readonly route: string;
  /** The same for each try of one delivery, where the sender says what that is. */
  readonly id: string;
  readonly body: Buffer;
}

/** What became of a delivery; for the ledger. */
export interface Told {
  /** Null for a path that is no route: what was asked for is the sender's choice, and may be anything. */
  readonly route: string | null;
  readonly outcome: "taken" | "repeated" | "refused" | "failed";
  readonly why:
    | Refusal
    | "no-route"
    | "method"
    | "encoded"
    | "too-long"
    | "incomplete"
    | "busy"
    | "internal"
    | null;
  readonly bytes: number;
  /** Of what was received of the body. */
  readonly bodySha256: string;
}

/** There is no place for a delivery at the moment; the sender may come again with it. */
export class Busy extends Error {}

export interface ReceiverOptions {
  /** By path: `/hooks/etl`. */
  readonly routes: Readonly<Record<string, Route>>;
  readonly replays: Replays;
  /**
   * Resolves once the run that comes of it is durable; the sender hears of it then. The run itself is not waited for.
   *
   * @throws Busy
   */
  readonly take: (taken: Taken) => Promise<void>;
  readonly tell: (told: Told) => void;
  /** Nobody may send more than this, whatever the path: the answer says nothing about it. */
  readonly mostBytes: number;
  /** Time for the headers, and for the whole request. In ms. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** A refusal is sent this long after the request came, or later: how long it took to find a reason tells nothing. In ms. */
  readonly refusalMs: number;
  readonly mostConnections: number;
  readonly now: () => number;
}

/** One answer for all that is refused: which paths there are is nobody's business. */
const notFound = { status: 404, text: "not found\n" } as const;
const tooLong = { status: 413, text: "too long\n" } as const;
const taken = { status: 202, text: "accepted\n" } as const;
const repeated = { status: 200, text: "known\n" } as const;
const failed = { status: 503, text: "try again\n" } as const;
/** For senders that heed it (RFC 9110, 10.2.3), in seconds. */
const retryAfter = "30";

type Answer = typeof notFound | typeof tooLong | typeof taken | typeof repeated | typeof failed;

/**
 * A server that takes webhooks, not yet listening. What it cannot prove it refuses, with the same answer and the same work
 * for a path that is no route as for a signature that is wrong.
 */
export function createReceiver(options: ReceiverOptions): Server {
  const server = createServer({
    headersTimeout: options.headersTimeoutMs,
    requestTimeout: options.requestTimeoutMs,
    connectionsCheckingInterval: Math.min(options.headersTimeoutMs, 1_000),
  });
  server.maxConnections = options.mostConnections;
  server.on("request", (request, response) => void receive(options, request, response));
  // By itself Node would ask a sender to go on before anyone has looked at how much it wants to send.
  server.on("checkContinue", (request, response) => {
    if (announcedBytes(request) > options.mostBytes) return send(request, response, tooLong);
    response.writeContinue();
    void receive(options, request, response);
  });
  return server;
}

async function receive(options: ReceiverOptions, request: IncomingMessage, response: ServerResponse) {
  const since = performance.now();
  const path = pathOf(request);
  const route = path !== null && Object.hasOwn(options.routes, path) ? options.routes[path] : undefined;
  const name = route === undefined ? null : path;
  const keepBytes = Math.min(route?.bodyBytes ?? 0, options.mostBytes);
  const body = await readBody(request, keepBytes, options.mostBytes);
  const tell = (outcome: Told["outcome"], why: Told["why"]) => {
    options.tell({ route: name, outcome, why, bytes: body.bytes, bodySha256: body.sha256 });
  };
  if (body.end === "incomplete") return tell("refused", "incomplete");
  if (body.end === "too-long") {
    tell("refused", "too-long");
    return send(request, response, tooLong);
  }
  try {
    const [answer, outcome, why] = await judge(options, request, route, name, body);
    tell(outcome, why);
    if (answer === notFound) await sleep(Math.max(0, since + options.refusalMs - performance.now()));
    send(request, response, answer);
  } catch (error) {
    if (error instanceof Busy) tell("refused", "busy");
    else tell("failed", "internal");
    send(request, response, failed);
  }
}

async function judge(
  options: ReceiverOptions,
  request: IncomingMessage,
  route: Route | undefined,
  name: string | null,
  body: Body,
): Promise<readonly [Answer, Told["outcome"], Told["why"]]> {
  if (route === undefined || name === null) return [notFound, "refused", "no-route"];
  if (request.method !== "POST") return [notFound, "refused", "method"];
  if (body.kept === null) return [notFound, "refused", "too-long"];
  const encoding = request.headers["content-encoding"] ?? "identity";
  if (encoding !== "identity") return [notFound, "refused", "encoded"];
  const receivedAt = options.now();
  const delivery = { headers: request.headersDistinct, body: body.kept, receivedAt };
  const secrets = await route.secrets().catch(() => null);
  // Without its secrets a route proves nothing, and is no more to be seen than any other path.
  if (secrets === null) return [notFound, "failed", "internal"];
  const verdict = verifyDelivery(route.scheme, delivery, secrets);
  if (!verdict.ok) return [notFound, "refused", verdict.why];
  const id = createHash("sha256")
    .update(JSON.stringify([name, verdict.keys[0] ?? randomBytes(16).toString("hex")]))
    .digest("hex");
  const { kept } = body;
  const isNew = await options.replays.once(name, verdict.keys, receivedAt, () =>
    options.take({ route: name, id, body: kept }),
  );
  return isNew ? [taken, "taken", null] : [repeated, "repeated", null];
}

interface Body {
  readonly end: "whole" | "too-long" | "incomplete";
  readonly bytes: number;
  readonly sha256: string;
  /** Null if it was longer than what was to be kept. */
  readonly kept: Buffer | null;
}

/**
 * Reads a body and keeps it as long as it is no longer than it may be. What is not kept is read and hashed all the same, as
 * much as a signature would cost, up to `mostBytes`.
 */
async function readBody(request: IncomingMessage, keepBytes: number, mostBytes: number): Promise<Body> {
  const hash = createHash("sha256");
  const mac = createHmac("sha256", "as much work for everyone");
  let chunks: Buffer[] | null = [];
  let bytes = 0;
  let end: Body["end"] = "whole";
  if (announcedBytes(request) > mostBytes) {
    return { end: "too-long", bytes, sha256: hash.digest("hex"), kept: null };
  }
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length;
      if (bytes > mostBytes) {
        end = "too-long";
        break;
      }
      hash.update(chunk);
      if (bytes > keepBytes) chunks = null;
      if (chunks === null) mac.update(chunk);
      else chunks.push(chunk);
    }
    if (end === "whole" && !request.complete) end = "incomplete";
  } catch {
    end = "incomplete";
  }
  mac.digest();
  const kept = chunks === null || end !== "whole" ? null : Buffer.concat(chunks);
  return { end, bytes, sha256: hash.digest("hex"), kept };
}

function announcedBytes(request: IncomingMessage): number {
  return Number(request.headers["content-length"] ?? 0);
}

/** Without its query, which no sender signs. Null where it is no path. */
function pathOf({ url = "" }: IncomingMessage): string | null {
  return /^(\/[^?#]*)/.exec(url)?.[1] ?? null;
}

function send(request: IncomingMessage, response: ServerResponse, { status, text }: Answer): void {
  // What is left of a body that nobody reads must not be taken for the next request.
  const rest = request.complete ? {} : { connection: "close" };
  const again = status === failed.status ? { "retry-after": retryAfter } : {};
  const headers = { "content-type": "text/plain", "content-length": text.length, ...again, ...rest };
  response.writeHead(status, headers);
  response.end(text);
}
