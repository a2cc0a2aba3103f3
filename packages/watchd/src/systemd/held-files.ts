import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";

export interface HeldFiles {
  keep(agent: string): void;
  drop(agent: string): void;
  list(): readonly string[];
}

/**
 * A file for each agent that we keep systemd from restarting. If watchd goes and cannot come back, failed.sh starts what is
 * named here: a dead watchd never means dead agents.
 *
 * @throws WATCHD_E_STATE_DIRECTORY
 */
export function openHeldFiles(directory: string): HeldFiles {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const message = `cannot use the directory ${directory}: ${messageOf(cause)}`;
    throw watchdErrors.make("WATCHD_E_STATE_DIRECTORY", message, { where: directory, cause });
  }
  return {
    keep: (agent) => writeFileSync(join(directory, agent), ""),
    drop: (agent) => rmSync(join(directory, agent), { force: true }),
    list: () => readdirSync(directory),
  };
}
