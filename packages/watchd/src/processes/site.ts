import { mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "@daruma/base";
import { agentSocketPath } from "../agent-api/place.ts";
import { watchdErrors } from "../catalogue.ts";
import { readBootId } from "../clock.ts";
import { runHome } from "../routines/homes.ts";
import { isUnitName, ownerOf, type RunKind, routineRunOf } from "./markers.ts";

export interface ProcessManagerOptions {
  /** Keeps agents' state and logs, and watchd's records of runs. Created if missing; one watchd at a time. */
  readonly stateDir: string;
  /** For what must not outlive the boot: credentials. Ideally in memory ($XDG_RUNTIME_DIR). */
  readonly runtimeDir: string;
  /** Where PATH, HOME, LANG and TZ of the agents come from. Default: our own environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: agents. One manager of each kind can work on one state directory. */
  readonly kind?: RunKind;
}

/** Where a process manager works, worked out once. */
export interface Site {
  readonly kind: RunKind;
  readonly stateDir: string;
  readonly recordDir: string;
  readonly credentialsDir: string;
  /** Where each agent has the socket that watchd serves for it. */
  readonly runtimeDir: string;
  /** Marks every process that belongs to this state directory. */
  readonly owner: string;
  readonly bootId: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface AgentPaths {
  /** All the rest that outlives the boot is in it. */
  readonly home: string;
  readonly log: string;
  readonly state: string;
  readonly checkpoint: string;
  readonly credentials: string;
  /** Null for a run of a routine, which has none. */
  readonly socket: string | null;
}

/** @throws WATCHD_E_STATE_DIRECTORY, WATCHD_E_PLATFORM */
export function openSite(options: ProcessManagerOptions): Site {
  const bootId = readBootId();
  const stateDir = makeDirectory(options.stateDir);
  const kind = options.kind ?? "agents";
  const own = kind === "agents" ? "" : "routine-";
  const recordDir = makeDirectory(join(stateDir, "watchd", `${own}runs`));
  const runtimeDir = makeDirectory(options.runtimeDir);
  const credentialsDir = makeDirectory(join(runtimeDir, `${own}credentials`));
  return {
    kind,
    stateDir,
    recordDir,
    credentialsDir,
    runtimeDir,
    owner: ownerOf(stateDir, kind),
    bootId,
    env: options.env ?? process.env,
  };
}

const nouns = { agents: "an agent's", routines: "a run's" } as const;

/** @throws a bug's plain error for a name that no fleet can have: it would be a path elsewhere. */
export function agentPaths(site: Site, agent: string): AgentPaths {
  const home = homeOf(site, agent);
  return {
    home,
    log: join(home, "log"),
    state: join(home, "state"),
    checkpoint: join(home, "checkpoint"),
    credentials: join(site.credentialsDir, agent),
    socket: site.kind === "agents" ? agentSocketPath(site.runtimeDir, agent) : null,
  };
}

/** @throws as `agentPaths` */
export function homeOf(site: Site, agent: string): string {
  const routineRun = routineRunOf(agent);
  if (!isUnitName(agent) || (routineRun === null) !== (site.kind === "agents"))
    throw new Error(`not ${nouns[site.kind]} name: ${JSON.stringify(agent)}`);
  return routineRun === null
    ? join(site.stateDir, "agents", agent)
    : runHome(site.stateDir, routineRun.routine, routineRun.run);
}

function makeDirectory(path: string): string {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return realpathSync(path);
  } catch (cause) {
    throw watchdErrors.make(
      "WATCHD_E_STATE_DIRECTORY",
      `cannot use the directory ${path}: ${messageOf(cause)}`,
      {
        where: path,
        cause,
      },
    );
  }
}
