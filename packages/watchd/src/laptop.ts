import { messageOf } from "@daruma/base";
import { createDirectoryGenerations } from "./generations/directory.ts";
import { wornGenerations } from "./policy/stand-in.ts";
import type { State } from "./policy/state.ts";
import { createProcessManager } from "./processes/manager.ts";
import type { World } from "./supervisor/executor.ts";

export interface Laptop extends Pick<World, "services" | "generations"> {
  readonly beforeActing: (state: State) => Promise<void>;
}

/**
 * Agents as child processes, generations in a directory: `agentctl dev`.
 *
 * @throws GENERATION_E_WRITE
 */
export async function openLaptop(options: {
  readonly state: string;
  readonly runtime: string;
  /** Directory of the generations. */
  readonly root: string;
  readonly log: (message: string) => void;
}): Promise<Laptop> {
  const { state: stateDir, runtime: runtimeDir, root, log } = options;
  const generations = await createDirectoryGenerations({ root });
  let kept = "";
  return {
    services: createProcessManager({ stateDir, runtimeDir }),
    generations,
    async beforeActing(state) {
      const worn = wornGenerations(state);
      const key = JSON.stringify(worn);
      if (key === kept) return;
      try {
        await generations.keepFor(worn);
        kept = key;
      } catch (error) {
        log(`nothing keeps the earlier generation of an agent from being removed: ${messageOf(error)}`);
      }
    },
  };
}
