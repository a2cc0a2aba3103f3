import { type Handler, messageOf } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import type { Drift } from "./watch.ts";

export interface DriftApiOptions {
  readonly drift: Drift;
  /** Path of the current generation; "" where there is none. */
  readonly current: () => string;
  /** Resolves once the entry is durable in the ledger. */
  readonly recordIntent: (entry: {
    action: string;
    subject: string;
    details: Record<string, string | number>;
  }) => Promise<unknown>;
}

/** The requests about drift that watchd answers on its socket. */
export function driftRoutes({
  drift,
  current,
  recordIntent,
}: DriftApiOptions): Readonly<Record<string, Handler>> {
  return {
    "GET /v1/drift": () => drift.report(),
    "POST /v1/drift/fix": async () => {
      try {
        await recordIntent({ action: "drift.fix-request", subject: current() || "none", details: {} });
      } catch (cause) {
        const message = `the ledger cannot take the intent: ${messageOf(cause)}`;
        throw watchdErrors.make("WATCHD_E_LEDGER_UNAVAILABLE", message, { cause });
      }
      return drift.fix();
    },
  };
}
