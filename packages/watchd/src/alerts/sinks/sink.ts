import type { SinkManifest } from "@daruma/config";
import type { Message, Outcome } from "../notice.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface HttpAnswer {
  readonly status: number;
  /** By names in small letters; one that came twice is its first value. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** At most 64 KiB of it. */
  readonly body: string;
}

/** What a request is made of beside the message. */
export interface SinkSetting {
  readonly host: string;
  readonly config: SinkManifest;
  readonly secret: string;
  /** Unix time in milliseconds. */
  readonly now: number;
}

/** A service that is spoken to by one request for each message. Pure. */
export interface HttpSink {
  /** The request, or why there can be none as the sink is set up. The reason quotes no secret. */
  request(message: Message, setting: SinkSetting): HttpRequest | { readonly problem: string };
  judge(answer: HttpAnswer, now: number): Outcome;
}

export function json(
  url: string,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpRequest {
  return {
    method: "POST",
    url,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
    body: JSON.stringify(value),
  };
}

/** What a status means where a service does not say otherwise (RFC 9110 15, RFC 6585 4); null for success. */
export function judgeStatus({ status, headers, body }: HttpAnswer, now: number): Outcome | null {
  if (status >= 200 && status < 300) return null;
  const why = `HTTP ${status}${body === "" ? "" : `: ${oneLine(body)}`}`;
  if (status === 429 || status === 408 || status === 425 || status >= 500)
    return { kind: "later", why, retryAfterMs: retryAfter(headers["retry-after"], now) };
  // A redirect is not followed: what is told would go to whoever the answer names.
  const isSetup = (status >= 300 && status < 400) || [401, 402, 403, 404, 405, 407, 410].includes(status);
  return isSetup ? { kind: "denied", why } : { kind: "refused", why };
}

/** RFC 9110 10.2.3: seconds or a date. Null for what is neither. In ms. */
export function retryAfter(value: string | undefined, now: number): number | null {
  if (value === undefined) return null;
  if (/^\d{1,9}(\.\d+)?$/.test(value)) return Math.ceil(Number(value) * 1000);
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

/** The JSON object that an answer is, or null. */
export function objectIn(body: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Readonly<Record<string, unknown>>)
      : null;
  } catch {
    return null;
  }
}

/** An answer of success that is not what the service answers: somebody else's, or cut off. It is asked again. */
export function unlike(answer: HttpAnswer, expected: string): Outcome {
  const why = `HTTP ${answer.status} without ${expected}: ${oneLine(answer.body)}`;
  return { kind: "later", why, retryAfterMs: null };
}

export function textOf(value: unknown): string | null {
  if (typeof value === "string") return value.slice(0, 200);
  return typeof value === "number" ? String(value) : null;
}

export function oneLine(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, " ")
    .slice(0, 200)
    .toWellFormed();
}

/** Joins a path to the URL of a service, which may have a path itself. */
export function below(base: string, path: string): string {
  return `${base.replace(/\/+$/, "")}${path}`;
}

/**
 * The URL that is a secret, where it is the one that the sink may reach. Trailing white space is of the editor that wrote the
 * file.
 */
export function secretUrl(secret: string, base: string): URL | null {
  const url = URL.parse(secret.trim());
  const allowed = new URL(base);
  return url !== null && url.origin === allowed.origin && url.username === "" ? url : null;
}
