import { existsSync } from "node:fs";
import type { AgentManifest } from "@daruma/config";
import { watchdErrors } from "../catalogue.ts";
import type { UnitFacts } from "./facts.ts";

/** Exit statuses of systemd itself when it cannot execute the program (systemd.exec(5), "Process Exit Codes"). */
const chdirFailed = 200;
const execFailed = 203;
const credentialsFailed = 243;

/** What could not be started. */
export interface Failing {
  /** `agent` or `routine` */
  readonly noun: string;
  readonly name: string;
  readonly unit: string;
}

/** Why systemd could not start an agent or a run of a routine, as one of our own errors. */
export function startFailure(
  { noun, name, unit }: Failing,
  manifest: Pick<AgentManifest, "command" | "workingDirectory" | "credentials">,
  facts: UnitFacts,
  message: string,
): Error {
  const [program = ""] = manifest.command;
  switch (facts.execMainStatus) {
    case chdirFailed: {
      const directory = manifest.workingDirectory ?? "its state directory";
      const text = `${noun} ${name}: the working directory is missing or may not be entered: ${directory}`;
      return watchdErrors.make("AGENT_E_WORKING_DIRECTORY", text, { where: directory });
    }
    case execFailed:
      return existsSync(program)
        ? watchdErrors.make(
            "AGENT_E_NOT_EXECUTABLE",
            `${noun} ${name}: ${program} may not be executed, or its interpreter does not exist`,
            { where: program },
          )
        : watchdErrors.make("AGENT_E_COMMAND_NOT_FOUND", `${noun} ${name}: ${program} does not exist`, {
            where: program,
          });
    case credentialsFailed: {
      const files = Object.values(manifest.credentials).join(", ");
      const text = `${noun} ${name}: a credential cannot be read: ${files}`;
      return watchdErrors.make("AGENT_E_CREDENTIAL", text, { where: files });
    }
    default: {
      const result = facts.result === "success" ? "" : ` (${facts.result})`;
      const text = `${noun} ${name}: ${message || "it did not come up"}${result}; see journalctl -u ${unit}`;
      return watchdErrors.make("AGENT_E_START_FAILED", text, { where: unit });
    }
  }
}
