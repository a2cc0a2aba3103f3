import type { Entry } from "@daruma/ledger";
import type { Judgement } from "../instance/watchd-client.ts";
import { isObject } from "./incident.ts";

/** The judgement that an entry about a decision holds; of entries from before it was recorded, what their sentences say. */
export function judgementIn({ action, details }: Entry): Judgement {
  const { judgement } = details;
  if (isObject(judgement) && Array.isArray(judgement.rules)) {
    return {
      target: typeof judgement.target === "string" ? judgement.target : null,
      toNumber: typeof judgement.toNumber === "number" ? judgement.toNumber : null,
      rules: judgement.rules.filter(isObject).map(({ rule, holds, why }) => ({
        rule: String(rule),
        holds: holds === true,
        why: String(why),
      })),
    };
  }
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
