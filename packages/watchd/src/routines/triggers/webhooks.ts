import { once } from "node:events";
import { readFile } from "node:fs/promises";
import type { Server } from "node:http";
import { messageOf } from "@daruma/base";
import type { WebhookTrigger } from "@daruma/config";
import type { LedgerRecord } from "../../policy/events.ts";
import { createReceiver, type Route } from "../../webhooks/receiver.ts";
import { Replays } from "../../webhooks/replays.ts";
import { secretProblem } from "../../webhooks/verify.ts";
import { Deliveries } from "./deliveries.ts";

export interface WebhooksOptions {
  /** By routine. */
  readonly hooks: Readonly<Record<string, WebhookTrigger>>;
  /** Where it is kept which deliveries have been taken. */
  readonly memory: string;
  /** Resolves once the run that comes of it is durable. */
  readonly take: (routine: string, path: string, id: string, body: Buffer) => Promise<void>;
  readonly note: (record: LedgerRecord) => void;
  readonly now: () => number;
  readonly log: (message: string) => void;
}

export interface Webhooks {
  close(): Promise<void>;
}

const limits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  refusalMs: 50,
  mostConnections: 256,
} as const;

/** A port that is taken is asked for again after this. In ms. */
const againMs = 5_000;

/**
 * Listens for the webhooks of routines: one server for each address, whose paths lead to one routine each.
 *
 * @throws Error of the file system
 */
export async function openWebhooks(options: WebhooksOptions): Promise<Webhooks> {
  const replays = await Replays.open(options.memory, options.now());
  const listeners = [...byAddress(options.hooks)].map(([address, hooks]) =>
    listen(address, hooks, replays, options),
  );
  return {
    async close() {
      await Promise.all(listeners.map((listener) => listener.close()));
      await replays.close();
    },
  };
}

type Hooks = ReadonlyMap<string, { readonly routine: string; readonly hook: WebhookTrigger }>;

/** By address, then by path. */
function byAddress(all: WebhooksOptions["hooks"]): ReadonlyMap<string, Hooks> {
  const found = new Map<string, Map<string, { routine: string; hook: WebhookTrigger }>>();
  for (const [routine, hook] of Object.entries(all)) {
    const hooks = found.get(hook.listen) ?? new Map();
    found.set(hook.listen, hooks.set(hook.path, { routine, hook }));
  }
  return found;
}

function listen(address: string, hooks: Hooks, replays: Replays, options: WebhooksOptions): Webhooks {
  const { note, now, log } = options;
  const routineOf = (route: string) => hooks.get(route)?.routine;
  const deliveries = new Deliveries({ routineOf, note, now });
  const server = createReceiver({
    ...limits,
    routes: Object.fromEntries([...hooks].map(([path, { hook }]) => [path, routeOf(hook, log)])),
    replays,
    take: async ({ route, id, body }) => {
      const routine = routineOf(route);
      if (routine === undefined) throw new Error(`no routine has ${route}`);
      await options.take(routine, route, id, body);
    },
    tell: (told) => deliveries.tell(told),
    mostBytes: Math.max(...[...hooks.values()].map(({ hook }) => hook.bodyBytes)),
    now,
  });
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let told = false;
  const begin = () => {
    const { host, port } = parseAddress(address);
    server.listen(port, host);
  };
  server.on("error", (error) => {
    if (closed) return;
    if (!told) {
      log(`webhooks cannot be taken on ${address}: ${messageOf(error)}`);
      for (const { routine } of hooks.values()) note(deaf(routine, address, error, now()));
    }
    told = true;
    timer = setTimeout(begin, againMs);
  });
  server.on("listening", () => {
    if (closed) server.close();
    told = false;
  });
  begin();
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      await end(server);
      deliveries.close();
    },
  };
}

function routeOf({ path, scheme, secrets, bodyBytes }: WebhookTrigger, log: WebhooksOptions["log"]): Route {
  let told: string | null = null;
  return {
    scheme,
    async secrets() {
      try {
        const found = await Promise.all(secrets.map((file) => secretIn(file, scheme)));
        told = null;
        return found;
      } catch (error) {
        const message = messageOf(error);
        if (message !== told) log(`webhooks to ${path} cannot be proven: ${message}`);
        told = message;
        throw error;
      }
    },
    bodyBytes,
  };
}

/** A file that is empty, or being written, is no secret: anybody can sign with it. */
async function secretIn(file: string, scheme: WebhookTrigger["scheme"]): Promise<string> {
  const secret = (await readFile(file, "utf8")).trim();
  const problem = secretProblem(scheme, secret);
  if (problem !== undefined) throw new Error(`the secret in ${file} ${problem}`);
  return secret;
}

function deaf(routine: string, address: string, error: unknown, at: number): LedgerRecord {
  const details = { message: `webhooks cannot be taken on ${address}: ${messageOf(error)}` };
  return { action: "routine.deaf", subject: routine, at, severity: "critical", details };
}

/** `[::1]:8788` and `127.0.0.1:8788`. */
function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at).replace(/^\[(.*)\]$/, "$1"), port: Number(address.slice(at + 1)) };
}

async function end(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
