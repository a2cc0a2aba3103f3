import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type DarumaError, isDarumaError, messageOf, systemCode } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";

/** What systemd allows for LoadCredential= (systemd.exec(5)), so that a fleet works the same on a host. */
const maxCredentialBytes = 1024 * 1024;

/**
 * Fills `directory`, made anew and for the owner only, with a read-only copy of each credential. The content of a
 * credential is in no message.
 *
 * @param credentials Name in the directory -> file on this machine.
 * @throws AGENT_E_CREDENTIAL naming file and credential; AGENT_E_START_FAILED where the copy cannot be written.
 */
export function placeCredentials(
  agent: string,
  directory: string,
  credentials: Readonly<Record<string, string>>,
): void {
  removeCredentials(directory);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const [name, file] of Object.entries(credentials)) {
      const content = readCredential(agent, name, file);
      writeFileSync(join(directory, name), content, { mode: 0o400, flag: "wx" });
    }
  } catch (error) {
    removeCredentials(directory);
    if (isDarumaError(error)) throw error;
    throw watchdErrors.make(
      "AGENT_E_START_FAILED",
      `agent ${agent}: cannot place its credentials: ${messageOf(error)}`,
      { where: directory, cause: error },
    );
  }
}

export function removeCredentials(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

/** Removes the credentials of every agent but these: what a watchd that was killed could not. */
export function removeOtherCredentials(root: string, agents: ReadonlySet<string>): void {
  if (!existsSync(root)) return;
  for (const name of readdirSync(root)) {
    if (!agents.has(name)) removeCredentials(join(root, name));
  }
}

function readCredential(agent: string, name: string, file: string): Buffer {
  const refuse = (why: string, cause?: unknown): DarumaError =>
    watchdErrors.make("AGENT_E_CREDENTIAL", `agent ${agent}: credential ${name}: ${why}: ${file}`, {
      where: file,
      cause,
    });
  if (name === "" || name === "." || name === ".." || /[/\0]/.test(name)) throw refuse("not a file name");
  let descriptor: number;
  try {
    // Without O_NONBLOCK, opening a FIFO would wait for a writer and stop the whole watchd.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw refuse(systemCode(cause) === "ENOENT" ? "the file does not exist" : reasonOf(cause), cause);
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) throw refuse("not a regular file");
    if (stat.size > maxCredentialBytes) throw refuse(`larger than ${maxCredentialBytes} bytes`);
    return readFileSync(descriptor);
  } catch (cause) {
    throw isDarumaError(cause) ? cause : refuse(reasonOf(cause), cause);
  } finally {
    closeSync(descriptor);
  }
}

function reasonOf(cause: unknown): string {
  return `the file cannot be read (${systemCode(cause) ?? messageOf(cause)})`;
}
