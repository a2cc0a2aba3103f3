import type { Problem } from "@daruma/base";
import { type DataRecord, faultOfPayload, faultOfRecord, type JsonObject } from "@daruma/ledger";
import { watchdErrors } from "../catalogue.ts";

/** What an agent says that it has consumed or produced. */
export interface DataStatement {
  readonly record: DataRecord;
  readonly activity?: string;
  /** What the ledger keeps beside the entry, which only commits to it: it can be erased. */
  readonly payload?: JsonObject;
}

/** Statements in one request. They cost as many of the agent's pace. */
export const maxStatements = 256;

const fields: ReadonlySet<string> = new Set(["type", "id", "version", "sha256", "activity", "payload"]);

/**
 * Reads the body of a request: one statement or a list of them. All that is wrong with it is told at once.
 *
 * @throws AGENT_E_BAD_RECORD
 */
export function parseStatements(body: unknown): readonly DataStatement[] {
  const list = Array.isArray(body) ? body : [body];
  if (list.length === 0 || list.length > maxStatements) {
    throw watchdErrors.make("AGENT_E_BAD_RECORD", `a request has 1 to ${maxStatements} records`);
  }
  const statements: DataStatement[] = [];
  const problems: Problem[] = [];
  list.forEach((value: unknown, index) => {
    const read = readStatement(value);
    if (typeof read !== "string") statements.push(read);
    else problems.push({ path: Array.isArray(body) ? `[${index}]` : "", message: read });
  });
  if (problems.length === 0) return statements;
  const all = problems.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
  throw watchdErrors.make("AGENT_E_BAD_RECORD", all.slice(0, 3).join("; "), { problems });
}

/** A text is what is wrong. */
function readStatement(value: unknown): DataStatement | string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return "a record is an object with type and id";
  }
  const { type, id, version, sha256, activity, payload } = value as Record<string, unknown>;
  // An agent that says who it is, or in which run, would believe that it was heard.
  const other = Object.keys(value).find((name) => !fields.has(name));
  if (other !== undefined) return `a record has ${[...fields].join(", ")} and nothing else`;
  const fault = faultOfRecord({ type, id, version, sha256 });
  if (fault !== null) return fault;
  if (activity !== undefined && !isActivity(activity)) {
    return "activity must be 1 to 256 characters without control characters";
  }
  const payloadFault = payload === undefined ? null : faultOfPayload(payload);
  if (payloadFault !== null) return payloadFault;
  const record = { type, id, ...given({ version, sha256 }) } as unknown as DataRecord;
  return { record, ...given({ activity, payload }) };
}

function given(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function isActivity(value: unknown): value is string {
  return typeof value === "string" && /^\P{Cc}{1,256}$/u.test(value) && value.isWellFormed();
}
