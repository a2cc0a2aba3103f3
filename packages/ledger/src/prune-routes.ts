import type { Handler } from "@daruma/base";
import type { Committer } from "./committer.ts";
import { isLabel, isPlainObject, isTime } from "./entry.ts";
import { checkCovered, type PrunePlan, planPruning, prune } from "./prune.ts";
import { badQuery, knowOnly } from "./query.ts";
import type { Store } from "./store.ts";
import { tileWidth } from "./tree.ts";

/** What `GET /v1/prune` answers. */
export interface PrunePlanDocument extends PrunePlan {
  readonly schemaVersion: 1;
}

/** What `POST /v1/prune` answers, once the entries are gone. */
export interface PrunedDocument {
  readonly schemaVersion: 1;
  readonly through: number;
  /** The entry that says so. */
  readonly seq: number;
}

/** For the operator alone. */
export function pruneRoutes(store: Store, committer: Committer): Readonly<Record<string, Handler>> {
  let running = false;
  return {
    "GET /v1/prune": async (request): Promise<PrunePlanDocument> => {
      knowOnly(request, ["before"]);
      return { schemaVersion: 1, ...(await planPruning(store, timeIn(request.query.get("before")))) };
    },
    "POST /v1/prune": async ({ body }): Promise<PrunedDocument> => {
      const order = orderIn(body);
      if (running) throw badQuery("it is being pruned already");
      running = true;
      try {
        const plan = await planPruning(store, order.before);
        const { through } = order;
        if (through <= plan.pruned || through > plan.through) {
          throw badQuery(`through must be above ${plan.pruned} and at most ${plan.through}`);
        }
        checkCovered({ ...plan, through });
        const seq = await prune(store, committer, order);
        return { schemaVersion: 1, through, seq };
      } finally {
        running = false;
      }
    },
  };
}

function orderIn(body: unknown) {
  if (!isPlainObject(body)) throw badQuery("the body is {before, through, reason}");
  const { before, through, reason } = body;
  if (!Number.isSafeInteger(through) || (through as number) % tileWidth !== 0) {
    throw badQuery(`through must be a multiple of ${tileWidth}`);
  }
  if (!isLabel(reason)) throw badQuery("reason must be 1 to 256 characters without control characters");
  return { before: timeIn(before), through: through as number, reason };
}

function timeIn(value: unknown): string {
  if (typeof value === "string" && isTime(value)) return value;
  throw badQuery("before must be RFC 3339 in UTC with milliseconds");
}
