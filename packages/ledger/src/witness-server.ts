import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { baseErrors, makeDirectories, messageOf, serveUnix } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { isKeyName, keyType, maxNoteBytes, printNote, type Verifier } from "./signed-note.ts";
import { createKey, keepPublicKey, readKey } from "./signing-key.ts";
import { parseAddCheckpoint } from "./witness.ts";
import { WitnessRecords } from "./witness-records.ts";

export interface WitnessOptions {
  /** Directory of its key and its records; made if it is missing. */
  readonly state: string;
  /** The name under which it cosigns. */
  readonly name: string;
  /** Keys of the logs that it knows. */
  readonly logs: readonly Verifier[];
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Something failed inside; the client got a 500. */
  readonly onProblem: (error: unknown) => void;
  /** Seconds since 1970. For tests. */
  readonly now?: () => number;
}

export interface Witness {
  /** Its submission and monitoring prefix. */
  readonly url: string;
  /** Its public key, as a vkey. */
  readonly key: string;
  stop(): Promise<void>;
}

/** A checkpoint with 63 hashes of proof and more signatures than anybody adds. */
const maxBodyBytes = maxNoteBytes;

/**
 * Serves https://c2sp.org/tlog-witness. One process has a state directory at a time.
 *
 * @throws LEDGER_E_KEY, LEDGER_E_WITNESS_RECORD, LEDGER_E_LOCKED, SOCKET_E_PATH_TOO_LONG, SOCKET_E_UNUSABLE
 */
export async function startWitness(options: WitnessOptions): Promise<Witness> {
  const { state, name } = options;
  if (!isKeyName(name)) throw ledgerErrors.make("LEDGER_E_KEY", `a witness cannot have the name ${name}`);
  await makeDirectories(state, 0o700);
  const lock = await lockState(state, options.onProblem);
  try {
    const place = { directory: state, name, type: keyType.cosignature };
    const signer = (await readKey(place)) ?? (await createKey(place));
    await keepPublicKey(state, signer);
    const records = await WitnessRecords.open(state, signer, options.logs);
    const server = await listen(options, records);
    const stop = async () => {
      await server.close();
      await lock.close();
    };
    return { url: server.url, key: signer.verifier.vkey, stop };
  } catch (error) {
    await lock.close();
    throw error;
  }
}

/** A socket that a living process serves is the lock: it vanishes with the process, however that ends. */
async function lockState(state: string, onBug: (error: unknown) => void) {
  try {
    return await serveUnix({ path: join(state, "lock.sock"), routes: {}, onBug });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "SOCKET_E_IN_USE")) throw error;
    const message = `a living witness has its state in ${state}`;
    throw ledgerErrors.make("LEDGER_E_LOCKED", message, { where: state, cause: error });
  }
}

async function listen(options: WitnessOptions, records: WitnessRecords) {
  const server = createServer((incoming, response) => {
    answer(incoming, response, records, options.now ?? seconds).catch((error: unknown) => {
      options.onProblem(error);
      if (response.headersSent) response.destroy();
      else reply(response, 500, "the witness failed inside; its log has the details\n");
    });
  });
  const { host, port } = options;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (cause) => {
      const message = `cannot listen on ${host}:${port}: ${messageOf(cause)}`;
      reject(baseErrors.make("SOCKET_E_UNUSABLE", message, { where: `${host}:${port}`, cause }));
    });
    server.listen(port, host, resolve);
  });
  const address = server.address();
  const bound = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `http://${isIPv6(host) ? `[${host}]` : host}:${bound}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  incoming: IncomingMessage,
  response: ServerResponse,
  records: WitnessRecords,
  now: () => number,
): Promise<void> {
  const { pathname } = new URL(incoming.url ?? "/", "http://localhost");
  if (incoming.method === "GET") return sendCheckpoint(pathname, response, records);
  if (incoming.method !== "POST" || pathname !== "/add-checkpoint")
    return reply(response, 404, "no such request\n");
  const body = await readBody(incoming);
  if (body === null) return reply(response, 413, `a request may have ${maxBodyBytes} bytes\n`);
  const request = parseAddCheckpoint(body);
  if (request === null) return reply(response, 400, "not an add-checkpoint request\n");
  const decision = await records.add(request, now());
  switch (decision.status) {
    case 200:
      return reply(response, 200, decision.cosignature);
    case 409:
      return reply(response, 409, `${decision.size}\n`, "text/x.tlog.size");
    default:
      return reply(response, decision.status, `${decision.message}\n`);
  }
}

function sendCheckpoint(pathname: string, response: ServerResponse, records: WitnessRecords): void {
  const hashOfOrigin = /^\/([0-9a-f]{64})\/checkpoint$/.exec(pathname)?.[1];
  const checkpoint = hashOfOrigin === undefined ? null : records.find(hashOfOrigin);
  if (checkpoint === null) reply(response, 404, "no such checkpoint\n");
  else reply(response, 200, printNote(checkpoint.note));
}

async function readBody(incoming: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming) {
    bytes += (chunk as Buffer).length;
    if (bytes > maxBodyBytes) return null;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function reply(
  response: ServerResponse,
  status: number,
  text: string,
  type = "text/plain; charset=utf-8",
): void {
  response.writeHead(status, { "content-type": type });
  response.end(text);
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
