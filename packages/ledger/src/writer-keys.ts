import type { OutboxKey } from "./group.ts";

/** How the keys of one writer are stored: the last as a release has it that knows of one epoch only, and beside it the others. */
export function printKeys([last, ...others]: readonly OutboxKey[]): string {
  return JSON.stringify(others.length === 0 ? last : { ...last, others });
}

/** Null for what is no such text. */
export function parseKeys(text: string): readonly OutboxKey[] | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isOutboxKey(value)) return null;
  const { epoch, n, others = [] }: OutboxKey & { readonly others?: unknown } = value;
  if (!Array.isArray(others) || !others.every(isOutboxKey)) return null;
  return [{ epoch, n }, ...others];
}

function isOutboxKey(value: unknown): value is OutboxKey {
  if (typeof value !== "object" || value === null || !("epoch" in value) || !("n" in value)) return false;
  return typeof value.epoch === "string" && Number.isSafeInteger(value.n);
}
