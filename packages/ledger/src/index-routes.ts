import type { Handler } from "@daruma/base";
import { labelNames } from "./filter.ts";
import { findValues, type LabelValue } from "./find-values.ts";
import { compareIndex, type IndexComparison } from "./index-store.ts";
import type { Indexer } from "./indexer.ts";
import { badQuery, integerOf, knowOnly } from "./query.ts";
import type { Store } from "./store.ts";

/** What `GET /v1/index` answers. */
export interface IndexDocument extends IndexComparison {
  readonly schemaVersion: 1;
}

/** What `POST /v1/index` answers: from now on the status says how far it is. */
export interface ReindexDocument {
  readonly schemaVersion: 1;
  readonly entries: number;
}

/** What `GET /v1/values` answers: the newest values of a label, newest first. */
export interface ValuesDocument {
  readonly schemaVersion: 1;
  readonly values: readonly LabelValue[];
}

/** What anybody with a socket may ask of the index. */
export function valueRoutes(store: Store): Readonly<Record<string, Handler>> {
  return {
    "GET /v1/values": async (request): Promise<ValuesDocument> => {
      knowOnly(request, ["label", "limit"]);
      const label = labelNames.find((name) => name === request.query.get("label"));
      if (label === undefined) throw badQuery(`label must be one of ${labelNames.join(", ")}`);
      const limit = integerOf(request, "limit", 1, Number.POSITIVE_INFINITY);
      return { schemaVersion: 1, values: await store.ask((db, last) => findValues(db, label, last, limit)) };
    },
  };
}

/** For the operator alone: both read every entry. */
export function indexRoutes(store: Store, indexer: Indexer): Readonly<Record<string, Handler>> {
  return {
    "GET /v1/index": async (request): Promise<IndexDocument> => {
      knowOnly(request, []);
      return { schemaVersion: 1, ...(await store.ask(compareIndex)) };
    },
    "POST /v1/index": async (): Promise<ReindexDocument> => {
      const entries = store.state.head.seq;
      await indexer.renew();
      return { schemaVersion: 1, entries };
    },
  };
}
