import type { DarumaError, Request } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";

/** @throws LEDGER_E_BAD_REQUEST for a parameter that the route does not have */
export function knowOnly(request: Request, names: readonly string[]): void {
  for (const name of request.query.keys()) {
    if (!names.includes(name)) throw badQuery(`unknown parameter ${name}`);
  }
}

/** @throws LEDGER_E_BAD_REQUEST for anything but an integer from `least`, or if it is missing and may not be (`null`) */
export function integerOf(request: Request, name: string, least: number, otherwise: number | null): number {
  const text = request.query.get(name);
  if (text === null && otherwise !== null) return otherwise;
  const value = Number(text);
  if (text !== null && /^\d{1,16}$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw badQuery(`${name} must be an integer from ${least}`);
}

export function badQuery(message: string): DarumaError {
  return ledgerErrors.make("LEDGER_E_BAD_REQUEST", message);
}
