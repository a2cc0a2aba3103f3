import { elapsed } from "./elapsed.ts";

/* How single details of an entry are told. Of an older or newer release they may be missing. */

export function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

export function ms(value: unknown): string {
  return typeof value === "number" ? elapsed(value) : "?";
}

export function mib(value: unknown): string {
  return typeof value === "number" ? `${(value / 1_048_576).toFixed(1)} MiB` : "?";
}

export function text(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined ? "?" : JSON.stringify(value);
}

export function list(value: unknown): string {
  return Array.isArray(value) ? value.map(text).join("; ") : text(value);
}
