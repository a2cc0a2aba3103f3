import type { BodyPolicy, JsonScalar } from "@daruma/config";

/* What an answer to a health probe says about the agent. */

export interface Expected {
  readonly status: number;
  readonly body?: BodyPolicy | null;
}

export type Verdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: string; readonly dependency?: string };

/** A dependency's name and what is found in an answer go into alerts and the ledger, so an agent may not fill them. */
const maxDependencyLength = 200;
const maxShownLength = 80;

/** @param body null where it is longer than anybody cares to read: then what must be in it is not found */
export function judgeAnswer(status: number | undefined, body: Buffer | null, expected: Expected): Verdict {
  const reason =
    status === expected.status
      ? faultOfBody(body, expected.body ?? null)
      : `status ${status}, expected ${expected.status}`;
  if (reason === null) return { ok: true };
  const dependency = body === null ? null : dependencyIn(body);
  return dependency === null ? { ok: false, reason } : { ok: false, reason, dependency };
}

function faultOfBody(body: Buffer | null, expected: BodyPolicy | null): string | null {
  if (expected === null) return null;
  if (body === null) return "the body is too long to be judged";
  const text = body.toString("utf8");
  if (expected.contains !== null && !text.includes(expected.contains))
    return `the body does not contain ${shown(expected.contains)}`;
  const wanted = Object.entries(expected.json);
  if (wanted.length === 0) return null;
  const document = parsed(text);
  if (document === undefined) return "the body is not JSON";
  for (const [pointer, value] of wanted) {
    const found = valueAt(document.value, pointer);
    if (found !== value)
      return `${pointer} is ${found === undefined ? "missing" : shown(found)}, expected ${shown(value)}`;
  }
  return null;
}

/** The value that a JSON Pointer (RFC 6901) leads to; undefined where there is none. */
export function valueAt(document: unknown, pointer: string): unknown {
  let at = document;
  for (const token of pointer.split("/").slice(1)) {
    const key = token.replaceAll("~1", "/").replaceAll("~0", "~");
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined;
    // `length` is no element of a list.
    if (Array.isArray(at) && !/^(0|[1-9][0-9]*)$/.test(key)) return undefined;
    at = Reflect.get(at, key);
  }
  return at;
}

function dependencyIn(body: Buffer): string | null {
  const dependency = valueAt(parsed(body.toString("utf8"))?.value, "/dependency");
  if (typeof dependency !== "string" || dependency.trim() === "") return null;
  return dependency.trim().slice(0, maxDependencyLength).toWellFormed();
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function shown(value: JsonScalar | unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > maxShownLength ? `${text.slice(0, maxShownLength).toWellFormed()}...` : text;
}
