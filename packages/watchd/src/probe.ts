import type { IncomingMessage } from "node:http";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { messageOf, systemCode } from "@daruma/base";
import type { ProbeOutcome, Prober } from "./ports.ts";

/** More of an answer is not read; its status counts all the same. */
const maxBodyBytes = 64 * 1024;

/** A dependency's name goes into alerts and the ledger, so an agent may not fill them. */
const maxDependencyLength = 200;

type Health = Parameters<Prober["probe"]>[0];
type Verdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly dependency?: string };

/**
 * Probes over HTTP and HTTPS. Each probe is a connection of its own, so that none outlives the run it proves; proxies are
 * not used and redirects not followed. `withinMs` covers connecting, headers and body together.
 */
export function createProber(): Prober {
  return {
    async probe(health) {
      const start = performance.now();
      const verdict = await ask(health);
      return { ...verdict, latencyMs: performance.now() - start } satisfies ProbeOutcome;
    },
  };
}

function ask(health: Health): Promise<Verdict> {
  return new Promise((resolve) => {
    let outgoing: ReturnType<typeof requestHttp>;
    try {
      outgoing = open(health.url);
    } catch (error) {
      resolve(failed(`cannot ask ${health.url}: ${messageOf(error)}`));
      return;
    }
    const timer = setTimeout(() => settle(failed(`no answer within ${health.withinMs} ms`)), health.withinMs);
    const settle = (verdict: Verdict) => {
      clearTimeout(timer);
      resolve(verdict);
      outgoing.destroy();
    };
    let answered = false;
    outgoing.on("response", (response) => {
      answered = true;
      readBody(response).then(
        (body) => settle(judge(response.statusCode, body, health.status)),
        () => settle(failed("the answer broke off")),
      );
    });
    outgoing.on("error", (error) => {
      if (!answered) settle(failed(plain(error)));
    });
    // The last resort, for an end that is neither an answer nor an error (an unasked-for protocol upgrade).
    outgoing.on("close", () => {
      if (!answered) settle(failed("the connection was closed without an answer"));
    });
    outgoing.end();
  });
}

function open(url: string): ReturnType<typeof requestHttp> {
  const target = new URL(url);
  const request = target.protocol === "https:" ? requestHttps : requestHttp;
  return request(target, {
    agent: false,
    headers: { accept: "application/json", "user-agent": "daruma-watchd" },
  });
}

/** The body, or `null` where it is longer than we care to read. */
async function readBody(response: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function judge(status: number | undefined, body: Buffer | null, expected: number): Verdict {
  if (status === expected) return { ok: true };
  const reason = `status ${status}, expected ${expected}`;
  const dependency = body === null ? null : dependencyIn(body);
  return dependency === null ? failed(reason) : { ok: false, reason, dependency };
}

function dependencyIn(body: Buffer): string | null {
  let document: unknown;
  try {
    document = JSON.parse(body.toString("utf8"));
  } catch {
    return null;
  }
  if (typeof document !== "object" || document === null || !("dependency" in document)) return null;
  const { dependency } = document;
  if (typeof dependency !== "string" || dependency.trim() === "") return null;
  return dependency.trim().slice(0, maxDependencyLength).toWellFormed();
}

function failed(reason: string): Verdict {
  return { ok: false, reason };
}

function plain(error: unknown): string {
  switch (systemCode(error)) {
    case "ECONNREFUSED":
      return "connection refused";
    case "ECONNRESET":
    case "EPIPE":
      return "connection closed by the agent";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "host name not found";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EADDRNOTAVAIL":
      return "host not reachable";
    default:
      return (systemCode(error) ?? "").startsWith("HPE_") ? "the answer is not HTTP" : messageOf(error);
  }
}
