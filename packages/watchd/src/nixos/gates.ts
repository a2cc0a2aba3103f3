import type { State } from "../policy/state.ts";

/**
 * What failed.sh and pre-switch.sh must know of the policy core's state when watchd cannot stay up: one line a fact, words separated by a
 * blank.
 *
 *     daruma-gates 1
 *     current PATH
 *     budget N                   rollbacks that may leave the current generation
 *     spent N PATH               automatic rollbacks that have left PATH
 *     quarantined PATH           never a target: it was rolled back from
 *     broke AGENT DIGEST PATH    the agent, by its digest, because of which PATH was rolled back from
 *     rejected PATH              never a target: its closure did not verify
 *     rollback ID FROM TARGET    decided, and not known to have ended
 *     end
 *
 * A reader goes by the first line, passes over words that it does not know, and believes nothing without the last line.
 */
export function gatesOf(state: State): string {
  const { generation, rollback } = state;
  const facts = [
    ...(generation === null
      ? []
      : [
          ["current", generation.path],
          ["budget", generation.watchdog.rollbackBudget],
        ]),
    ...Object.entries(state.spentBudget).map(([path, spent]) => ["spent", spent, path]),
    ...state.quarantine.map(({ path }) => ["quarantined", path]),
    ...state.quarantine.flatMap(({ agent, digest, path }) =>
      digest === "" ? [] : [["broke", agent, digest, path]],
    ),
    ...state.rejected.map((path) => ["rejected", path]),
    ...(rollback === null ? [] : [["rollback", rollback.id, rollback.from, rollback.target]]),
  ];
  return `${["daruma-gates 1", ...facts.map(lineOf), "end"].join("\n")}\n`;
}

function lineOf(words: readonly (string | number)[]): string {
  for (const word of words) {
    if (!/^[\x21-\x7e]+$/.test(String(word)))
      throw new Error(`${JSON.stringify(word)} cannot be a word in a line`);
  }
  return words.join(" ");
}
