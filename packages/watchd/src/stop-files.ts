import { open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeDirectories, syncDirectory, systemCode } from "@daruma/base";
import { watchdErrors } from "./catalogue.ts";
import { isAgentName } from "./processes/markers.ts";

export interface StopFiles {
  list(): Promise<ReadonlySet<string>>;
  /** Durable when it resolves. @throws WATCHD_E_STATE_DIRECTORY */
  set(agent: string, stopped: boolean): Promise<void>;
}

/**
 * What a person has stopped: one empty file for each agent, named as it. On a host every agent's unit has the absence of
 * its file as a condition (modules/units/agent.nix), so that no switch and no boot starts it behind the person's back.
 */
export function createStopFiles(directory: string): StopFiles {
  return {
    async list() {
      try {
        return new Set((await readdir(directory)).filter(isAgentName));
      } catch (error) {
        if (systemCode(error) === "ENOENT") return new Set();
        throw error;
      }
    },
    async set(agent, stopped) {
      if (!isAgentName(agent)) throw new Error(`not an agent's name: ${JSON.stringify(agent)}`);
      const file = join(directory, agent);
      try {
        await makeDirectories(directory, 0o755);
        if (stopped) await (await open(file, "a", 0o644)).close();
        else await rm(file, { force: true });
        await syncDirectory(directory);
      } catch (cause) {
        const message = `cannot write ${file}: ${systemCode(cause) ?? String(cause)}`;
        throw watchdErrors.make("WATCHD_E_STATE_DIRECTORY", message, { where: directory, cause });
      }
    },
  };
}
