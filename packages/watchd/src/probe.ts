import type { IncomingMessage } from "node:http";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { messageOf, systemCode } from "@daruma/base";
import { judgeAnswer, type Verdict } from "./answer.ts";
import type { ProbeOutcome, Prober } from "./ports.ts";

/** More of an answer is not read; its status counts all the same. */
const maxBodyBytes = 64 * 1024;

/** A health check that is moved more often than this is moved in a circle. */
const maxRedirects = 5;

type Health = Parameters<Prober["probe"]>[0];
/**
 * Probes over HTTP and HTTPS. Each probe is a connection of its own, so that none outlives the run it proves; proxies are
 * not used, and certificates are verified. A redirect is followed to the same host and port (or from http to https), for what answers
 * elsewhere is another's health; unless it is the very status that is expected. `withinMs` covers everything together.
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

async function ask(health: Health): Promise<Verdict> {
  const endsAt = performance.now() + health.withinMs;
  let url = health.url;
  for (let redirects = 0; ; redirects += 1) {
    const answer = await askOnce(url, health, endsAt);
    if (!("location" in answer)) return answer;
    const next = redirectTarget(url, answer.location);
    if (next === null) return failed(`redirected to another place, ${answer.location.slice(0, 200)}`);
    if (redirects === maxRedirects) return failed(`redirected more than ${maxRedirects} times`);
    url = next;
  }
}

interface Redirect {
  readonly location: string;
}

function askOnce(url: string, health: Health, endsAt: number): Promise<Verdict | Redirect> {
  return new Promise((resolve) => {
    let outgoing: ReturnType<typeof requestHttp>;
    try {
      outgoing = open(url);
    } catch (error) {
      resolve(failed(`cannot ask ${url}: ${messageOf(error)}`));
      return;
    }
    const late = () => settle(failed(`no answer within ${health.withinMs} ms`));
    // Timers cut off what is less than a millisecond: it would be late before its time.
    const timer = setTimeout(late, Math.max(0, Math.ceil(endsAt - performance.now())));
    const settle = (verdict: Verdict | Redirect) => {
      clearTimeout(timer);
      resolve(verdict);
      outgoing.destroy();
    };
    let answered = false;
    outgoing.on("response", (response) => {
      answered = true;
      const { statusCode, headers } = response;
      if (headers.location !== undefined && isRedirect(statusCode) && statusCode !== health.status) {
        settle({ location: headers.location });
        return;
      }
      readBody(response).then(
        (body) => settle(judgeAnswer(statusCode, body, health)),
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

/** Those of RFC 9110, section 15.4, that lead a GET to another URL by their `Location`. */
function isRedirect(status: number | undefined): boolean {
  return status !== undefined && [301, 302, 303, 307, 308].includes(status);
}

/** Null for a place that is not the agent's own. */
function redirectTarget(from: string, location: string): string | null {
  const [before, after] = [URL.parse(from), URL.parse(location, from)];
  if (before === null || after === null || before.hostname !== after.hostname) return null;
  const samePlace = before.protocol === after.protocol && before.port === after.port;
  const upgraded = before.protocol === "http:" && after.protocol === "https:";
  return samePlace || upgraded ? after.href : null;
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

function failed(reason: string): Verdict {
  return { ok: false, reason };
}

/** Of OpenSSL's X509_verify_cert_error_string(3), as Node names them: nobody we trust has signed it. */
const untrusted = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
]);

function plain(error: unknown): string {
  const code = systemCode(error) ?? "";
  // Node's own text adds advice for whoever starts Node.
  if (untrusted.has(code))
    return "its certificate is of no authority that watchd trusts: name that in security.pki.certificateFiles (NixOS), or NODE_EXTRA_CA_CERTS (agentctl dev)";
  switch (code) {
    case "ECONNREFUSED":
      return "connection refused";
    case "ECONNRESET":
    case "EPIPE":
      return "connection closed by the agent";
    case "CERT_HAS_EXPIRED":
      return "its certificate has expired";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "host name not found";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "EADDRNOTAVAIL":
      return "host not reachable";
    default:
      return code.startsWith("HPE_") ? "the answer is not HTTP" : messageOf(error);
  }
}
