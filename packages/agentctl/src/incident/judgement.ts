import type { Entry, JsonObject } from "@daruma/ledger";
import type { Judgement } from "../instance/watchd-client.ts";
import { isObject } from "./incident.ts";

/** The judgement that an entry about a decision holds; of entries from before it was recorded, what their sentences say. */
export function judgementIn({ action, details }: Entry): Judgement {
  const { judgement } = details;
  if (isObject(judgement) && Array.isArray(judgement.rules)) return readJudgement(judgement);
  const escalates = action === "recovery.escalate";
  const sentences = escalates ? details.because : details.noRollback;
  return {
    target: null,
    toNumber: null,
    rules: (Array.isArray(sentences) ? sentences : []).map((sentence) => {
      const [rule = "", ...why] = String(sentence).split(": ");
      return why.length === 0
        ? { rule: "other", holds: escalates, why: rule }
        : { rule, holds: escalates, why: why.join(": ") };
    }),
  };
}

/** A judgement as it is recorded. */
export function readJudgement({ target, toNumber, rules }: JsonObject): Judgement {
  return {
    target: typeof target === "string" ? target : null,
    toNumber: typeof toNumber === "number" ? toNumber : null,
    rules: (Array.isArray(rules) ? rules : []).filter(isObject).map(({ rule, holds, why }) => ({
      rule: String(rule),
      holds: holds === true,
      why: String(why),
    })),
  };
}
