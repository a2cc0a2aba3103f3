import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, closeSync, constants, existsSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { type DarumaError, messageOf, systemCode } from "@daruma/base";
import type { AgentManifest } from "@daruma/config";
import { watchdErrors } from "../catalogue.ts";
import { placeCredentials, removeCredentials } from "./credentials.ts";
import { agentEnvironment } from "./environment.ts";
import { openRunLog } from "./log-files.ts";
import { type AgentPaths, agentPaths, type Site } from "./site.ts";

/** A start as far as a process is concerned: of an agent, or of a routine's run under the name `ROUTINE@RUN`. */
export interface LaunchRequest {
  readonly agent: string;
  readonly runId: string;
  readonly manifest: Pick<
    AgentManifest,
    "digest" | "command" | "environment" | "workingDirectory" | "credentials"
  > &
    Partial<Pick<AgentManifest, "health" | "egress">>;
}

/** Everything that a start needs, ready for `launch`, or to be given back with `discard`. */
export interface Prepared {
  readonly agent: string;
  readonly command: readonly string[];
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly log: number;
  readonly credentials: string | null;
}

/**
 * Directories, credentials and log of an agent that is about to start.
 *
 * @throws AGENT_E_WORKING_DIRECTORY, AGENT_E_CREDENTIAL, AGENT_E_START_FAILED
 */
export function prepare(site: Site, request: LaunchRequest): Prepared {
  const { agent, runId, manifest } = request;
  const paths = agentPaths(site, agent);
  const log = openHome(agent, runId, paths);
  const hasCredentials = Object.keys(manifest.credentials).length > 0;
  try {
    const directory = manifest.workingDirectory ?? paths.state;
    checkWorkingDirectory(agent, directory);
    if (hasCredentials) placeCredentials(agent, paths.credentials, manifest.credentials);
    else removeCredentials(paths.credentials);
    const environment = agentEnvironment({
      own: site.env,
      declared: manifest.environment,
      markers: { owner: site.owner, agent, runId, digest: manifest.digest },
      stateDirectory: paths.state,
      checkpointDirectory: paths.checkpoint,
      socket: paths.socket,
      credentialsDirectory: hasCredentials ? paths.credentials : null,
      proxyPort: manifest.egress?.port ?? null,
    });
    const credentials = hasCredentials ? paths.credentials : null;
    return { agent, command: manifest.command, directory, environment, log, credentials };
  } catch (error) {
    closeSync(log);
    throw error;
  }
}

export function discard(prepared: Prepared): void {
  closeSync(prepared.log);
  if (prepared.credentials !== null) removeCredentials(prepared.credentials);
}

/**
 * Executes the agent's command in a session of its own. On return the program runs (execve(2) has succeeded), or there
 * is no process and the result tells why: AGENT_E_COMMAND_NOT_FOUND, AGENT_E_NOT_EXECUTABLE, AGENT_E_START_FAILED.
 */
export function launch(
  prepared: Prepared,
): { readonly child: ChildProcess; readonly pid: number } | Promise<DarumaError> {
  const [program = "", ...args] = prepared.command;
  try {
    const child = spawn(program, args, {
      cwd: prepared.directory,
      env: prepared.environment,
      // A new session: no signal meant for watchd's terminal or process group reaches the agent, nor does our death.
      detached: true,
      stdio: ["ignore", prepared.log, prepared.log],
    });
    if (child.pid !== undefined) return { child, pid: child.pid };
    return new Promise((resolve) =>
      child.once("error", (error) => resolve(notStarted(prepared, program, error))),
    );
  } catch (error) {
    return Promise.resolve(notStarted(prepared, program, error));
  }
}

function notStarted({ agent, environment }: Prepared, program: string, cause: unknown): DarumaError {
  const details = { where: program, cause };
  const code = systemCode(cause);
  // For a bare name, one directory on PATH that may not be searched turns "not found" into EACCES (execvp(3)).
  const found = program.includes("/") || onPath(program, environment.PATH ?? "");
  if (code === "ENOENT" || code === "ENOTDIR" || (code === "EACCES" && !found)) {
    return watchdErrors.make(
      "AGENT_E_COMMAND_NOT_FOUND",
      existsSync(program)
        ? `agent ${agent}: the interpreter that ${program} names does not exist`
        : `agent ${agent}: there is no program ${program}`,
      details,
    );
  }
  if (code === "EACCES" || code === "ENOEXEC") {
    return watchdErrors.make(
      "AGENT_E_NOT_EXECUTABLE",
      `agent ${agent}: ${program} may not be executed`,
      details,
    );
  }
  if (code === "ERR_INVALID_ARG_VALUE") {
    // Node quotes the argument that it refuses, which may be a secret in the environment.
    return watchdErrors.make(
      "AGENT_E_START_FAILED",
      `agent ${agent}: its command or environment is empty or has a NUL character in it`,
      { where: program },
    );
  }
  return watchdErrors.make("AGENT_E_START_FAILED", `agent ${agent}: ${messageOf(cause)}`, details);
}

function onPath(program: string, path: string): boolean {
  return path.split(":").some((directory) => existsSync(join(directory, program)));
}

/** Makes the agent's directories and opens its log for appending. */
function openHome(agent: string, runId: string, paths: AgentPaths): number {
  try {
    for (const directory of [paths.state, paths.checkpoint])
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    return openRunLog(paths.home, runId);
  } catch (cause) {
    throw watchdErrors.make(
      "AGENT_E_START_FAILED",
      `agent ${agent}: cannot write its directories and log: ${messageOf(cause)}`,
      { where: paths.log, cause },
    );
  }
}

function checkWorkingDirectory(agent: string, directory: string): void {
  const refuse = (why: string, cause?: unknown) =>
    watchdErrors.make(
      "AGENT_E_WORKING_DIRECTORY",
      `agent ${agent}: the working directory ${why}: ${directory}`,
      {
        where: directory,
        cause,
      },
    );
  try {
    if (!statSync(directory).isDirectory()) throw refuse("is not a directory");
    accessSync(directory, constants.X_OK);
  } catch (cause) {
    const code = systemCode(cause);
    if (code === "AGENT_E_WORKING_DIRECTORY") throw cause;
    throw refuse(
      code === "ENOENT" ? "does not exist" : `cannot be entered (${code ?? messageOf(cause)})`,
      cause,
    );
  }
}
