import { isUtf8 } from "node:buffer";
import { type DarumaError, isDarumaError } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import {
  type EntryDraft,
  faultOfField,
  isLabel,
  isPlainObject,
  type JsonObject,
  type PreparedEntry,
  prepareEntry,
} from "./entry.ts";
import type { OutboxKey, Outcome } from "./group.ts";
import { commitTo, faultOfPayload } from "./payload.ts";

/** Asked for in the `Upgrade:` header; both ways then carry JSON lines. */
export const appendProtocol = "daruma-append-1";

/** The one writer through which people act, and which may therefore say on whose behalf. */
export const operatorWriter = "operator";

/** The one writer that serves agents, and which may therefore say that an entry is an agent's. */
export const agentsWriter = "watchd";

/** The actor of what an agent appends. No writer can have such a name. */
export function agentActor(agent: string): string {
  return `agent:${agent}`;
}

/** `null` where the line does not say. */
export type RequestId = number | null;

export type ParsedAppend =
  | {
      readonly id: number;
      readonly error: null;
      readonly prepared: PreparedEntry;
      readonly key: OutboxKey | null;
    }
  | { readonly id: RequestId; readonly error: DarumaError; readonly key: OutboxKey | null };

/** Reads one line that asks for an append: `{id, action, subject, incident?, run?, details, payload?, agent?, key?}`. */
export function parseAppend(bytes: Buffer, writer: string, host: string): ParsedAppend {
  const value = isUtf8(bytes) ? parseJson(bytes.toString("utf8")) : undefined;
  if (!isPlainObject(value)) return refuse(null, null, "the line is not a JSON object in UTF-8");
  const { id } = value;
  const key = keyOf(value.key);
  if (!isRequestId(id)) return refuse(null, key, "id must be an integer from 0");
  const fault = faultOf(value, writer);
  if (fault !== null) return refuse(id, key, fault);
  try {
    // The rules above are exactly those of a draft.
    const draft = value as unknown as EntryDraft;
    const actor = typeof value.agent === "string" ? agentActor(value.agent) : writer;
    const prepared =
      value.payload === undefined ? prepareEntry(draft, host, actor) : committing(value, draft, host, actor);
    return { id, error: null, prepared, key };
  } catch (error) {
    if (!isDarumaError(error)) throw error;
    return refuse(id, key, `details.${error.message}`);
  }
}

/** An entry with the commitment to its payload in its details. */
function committing(
  { payload }: Record<string, unknown>,
  draft: EntryDraft,
  host: string,
  actor: string,
): PreparedEntry {
  const { commitment, stored } = commitTo(payload as JsonObject);
  const details = { ...draft.details, payloadCommitment: commitment };
  return { ...prepareEntry({ ...draft, details }, host, actor), payload: stored };
}

/** The id in the beginning of a line that is too long to be read, if it comes first. */
export function idOfStart(start: Buffer): RequestId {
  const digits = /^\{"id":(\d{1,16})[,}]/.exec(start.toString("latin1"))?.[1];
  const id = Number(digits);
  return digits !== undefined && isRequestId(id) ? id : null;
}

export function printOutcome(id: number, outcome: Outcome): string {
  switch (outcome.kind) {
    case "written":
      return `{"id":${id},"seq":${outcome.seq},"hash":"${outcome.hash}","time":"${outcome.time}"}\n`;
    case "duplicate":
      return `{"id":${id},"duplicate":true}\n`;
    case "refused":
      return printError(id, outcome.error);
  }
}

export function printError(id: RequestId, error: DarumaError): string {
  const { code, message, hint } = error;
  return `${JSON.stringify({ id, error: { code, message, hint } })}\n`;
}

const requestFields: ReadonlySet<string> = new Set([
  "id",
  "action",
  "subject",
  "incident",
  "run",
  "details",
  "payload",
  "agent",
  "key",
]);

/** Names of agents, as packages/config has them. */
const agentPattern = /^[a-z][a-z0-9-]{0,26}[a-z0-9]$/;

function faultOf(value: Record<string, unknown>, writer: string): string | null {
  for (const name of ["action", "subject", "details"] as const) {
    const fault = faultOfField(name, value[name]);
    if (fault !== null) return fault;
  }
  for (const name of ["incident", "run"] as const) {
    const fault = value[name] === undefined ? null : faultOfField(name, value[name]);
    if (fault !== null) return fault;
  }
  if (value.key !== undefined && !isKey(value.key)) {
    return "key must be {epoch, n}: a text of 1 to 256 characters and an integer from 0";
  }
  if (Object.hasOwn(value.details as object, "payloadCommitment")) {
    return "details.payloadCommitment is made by ledgerd, of the payload";
  }
  const payloadFault = value.payload === undefined ? null : faultOfPayload(value.payload);
  if (payloadFault !== null) return payloadFault;
  if (value.agent !== undefined) {
    if (writer !== agentsWriter) return `agent is for the writer ${agentsWriter} only`;
    if (typeof value.agent !== "string" || !agentPattern.test(value.agent)) return "agent must be its name";
  }
  if (writer !== operatorWriter && Object.hasOwn(value.details as object, "onBehalfOf")) {
    return `details.onBehalfOf is for the writer ${operatorWriter} only`;
  }
  for (const name of Object.keys(value)) {
    if (!requestFields.has(name)) return isLabel(name) ? `unknown field ${name}` : "unknown field";
  }
  return null;
}

function isKey(value: unknown): value is OutboxKey {
  if (!isPlainObject(value) || Object.keys(value).length !== 2) return false;
  return isLabel(value.epoch) && isRequestId(value.n);
}

function keyOf(value: unknown): OutboxKey | null {
  return isKey(value) ? { epoch: value.epoch, n: value.n } : null;
}

function isRequestId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function refuse(id: RequestId, key: OutboxKey | null, message: string): ParsedAppend {
  return { id, error: ledgerErrors.make("LEDGER_E_BAD_REQUEST", message), key };
}
