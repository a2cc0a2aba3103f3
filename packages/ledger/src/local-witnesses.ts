import { spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { messageOf } from "@daruma/base";
import type { SignedCheckpoint } from "./checkpoint.ts";
import { printCheckpointLine } from "./export-format.ts";
import { unreachable, type WitnessPort } from "./hand-over.ts";
import { printNote } from "./signed-note.ts";

/**
 * Appends each checkpoint as a line to a file: one with the append-only attribute (chattr(1) +a), or on another machine's
 * disk.
 */
export function fileWitness(path: string): WitnessPort {
  const name = `file:${path}`;
  return {
    name,
    take: async (checkpoint) => {
      try {
        const handle = await open(path, "a", 0o644);
        try {
          // A line that a power cut has torn must not take the next one with it.
          await handle.appendFile(
            `${(await isTorn(path)) ? "\n" : ""}${printCheckpointLine(printNote(checkpoint.note))}`,
          );
          await handle.sync();
        } finally {
          await handle.close();
        }
      } catch (cause) {
        throw unreachable(name, messageOf(cause), cause);
      }
      return null;
    },
  };
}

async function isTorn(path: string): Promise<boolean> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    if (size === 0) return false;
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0] !== 0x0a;
  } finally {
    await handle.close();
  }
}

const commandTimeoutMs = 60_000;
const maxComplaintCharacters = 2000;

/**
 * Runs a program with the checkpoint on its stdin, DARUMA_LEDGER_ORIGIN and DARUMA_LEDGER_SIZE in its environment, and
 * nobody's shell between: for a git push, a bucket with object locks, a time stamp. Exit code 0 means that it is kept.
 */
export function commandWitness(program: string): WitnessPort {
  const name = `command:${program}`;
  return { name, take: (checkpoint, _known, signal) => run(program, name, checkpoint, signal) };
}

function run(
  program: string,
  name: string,
  checkpoint: SignedCheckpoint,
  signal: AbortSignal,
): Promise<null> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [], {
      stdio: ["pipe", "ignore", "pipe"],
      env: {
        ...process.env,
        DARUMA_LEDGER_ORIGIN: checkpoint.origin,
        DARUMA_LEDGER_SIZE: String(checkpoint.size),
      },
      signal: AbortSignal.any([signal, AbortSignal.timeout(commandTimeoutMs)]),
      killSignal: "SIGKILL",
    });
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint = (complaint + text).slice(-maxComplaintCharacters);
    });
    child.on("error", (cause) => reject(unreachable(name, messageOf(cause), cause)));
    child.on("close", (code, killed) => {
      if (code === 0) return resolve(null);
      const said = complaint.trim().replace(/\p{Cc}/gu, " ");
      reject(unreachable(name, `it ended with ${code ?? killed}${said === "" ? "" : `: ${said}`}`));
    });
    // A program that does not read its input is free not to.
    child.stdin.on("error", () => undefined);
    child.stdin.end(printNote(checkpoint.note));
  });
}
