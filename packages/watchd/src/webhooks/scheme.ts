import { type WebhookScheme, webhookSchemes } from "@daruma/config";

/** How the sender of a webhook proves itself. */
export type Scheme = WebhookScheme;

export const schemes: readonly Scheme[] = webhookSchemes;

/** How far the time of a signature may be from now, either way. In ms. */
export const toleranceMs = 300_000;

/** Headers by their names in small letters, each with every value that it was sent with. */
export type Headers = Readonly<Record<string, readonly string[] | undefined>>;

export interface Delivery {
  readonly headers: Headers;
  /** As received: a body that has been parsed and printed again is another one. */
  readonly body: Buffer;
  /** Unix ms. */
  readonly receivedAt: number;
}

export type Verdict =
  /**
   * What the sender says it is the same by, when it sends it again; each by itself makes it a repetition. Empty: the sender
   * says nothing about that.
   */
  | { readonly ok: true; readonly keys: readonly string[] }
  /** For the ledger, never for the sender. */
  | { readonly ok: false; readonly why: Refusal };

export type Refusal =
  | "header-missing"
  | "header-repeated"
  | "header-malformed"
  | "too-old"
  | "too-new"
  | "signature";

/** The one value of a header, or what is wrong with it. */
export function single(
  headers: Headers,
  name: string,
): { readonly value: string } | { readonly why: Refusal } {
  const values = headers[name] ?? [];
  const [value] = values;
  if (value === undefined || value === "") return { why: "header-missing" };
  return values.length === 1 ? { value } : { why: "header-repeated" };
}

/** Undefined if a time (Unix seconds, as it was signed) is near enough to now. */
export function timeProblem(seconds: string, receivedAt: number): Refusal | undefined {
  if (!/^\d{1,12}$/.test(seconds)) return "header-malformed";
  const age = receivedAt - Number(seconds) * 1000;
  if (age > toleranceMs) return "too-old";
  return age < -toleranceMs ? "too-new" : undefined;
}
