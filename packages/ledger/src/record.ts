import { isLabel } from "./entry.ts";

/** A record of data, in one of its versions. Two that agree in all of `type`, `id` and `version` are the same. */
export interface DataRecord {
  readonly type: string;
  readonly id: string;
  readonly version?: string;
  /** Of its bytes, in lower-case hex. */
  readonly sha256?: string;
}

/** What a trace may begin with instead of a record: so no record has such a type. */
export const reservedTypes: readonly string[] = ["run", "generation"];

/** The subject of the entries about a record. The type has no colon, so that the id may have some. */
export function recordSubject({ type, id }: Pick<DataRecord, "type" | "id">): string {
  return `${type}:${id}`;
}

/** Takes a subject apart; `null` if it is not that of a record. */
export function parseRecordSubject(subject: string): { readonly type: string; readonly id: string } | null {
  const at = subject.indexOf(":");
  const record = { type: subject.slice(0, Math.max(at, 0)), id: subject.slice(at + 1) };
  return faultOfRecord(record) === null ? record : null;
}

/** What the ledger could not take as a record, as a message without a full stop; `null` if it can. */
export function faultOfRecord(record: { readonly [K in keyof DataRecord]: unknown }): string | null {
  const { type, id, version, sha256 } = record;
  if (typeof type !== "string" || !/^[A-Za-z][A-Za-z0-9._-]{0,63}$/.test(type)) {
    return "type must be 1 to 64 letters, digits and ._-, a letter first";
  }
  if (reservedTypes.includes(type)) return `type must not be ${type}, which stands for something else`;
  if (!isLabel(id)) return "id must be 1 to 256 characters without control characters";
  if (!isLabel(recordSubject({ type, id }))) return "type and id together must have at most 255 characters";
  if (version !== undefined && !isLabel(version)) {
    return "version must be 1 to 256 characters without control characters";
  }
  if (sha256 === undefined || (typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256))) return null;
  return "sha256 must be 64 lower-case hex digits";
}
