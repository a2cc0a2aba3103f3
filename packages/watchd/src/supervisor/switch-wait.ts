import { setTimeout as sleep } from "node:timers/promises";
import type { Generations } from "../ports.ts";

const pollMs = 50;

/**
 * A function that resolves at once where no switch is under way, and otherwise when it has ended and the generation that it
 * has left has been told. However many wait, one looks.
 */
export function createSwitchWait(
  generations: Pick<Generations, "switching">,
  refresh: () => Promise<void>,
): () => Promise<void> {
  let waiting: Promise<void> | null = null;
  const wait = async () => {
    while (await generations.switching()) await sleep(pollMs);
    await refresh();
  };
  return async () => {
    if (waiting === null && !(await generations.switching())) return;
    waiting ??= wait().finally(() => {
      waiting = null;
    });
    await waiting;
  };
}
