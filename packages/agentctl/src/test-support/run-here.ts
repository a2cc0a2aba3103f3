import { PassThrough, Writable } from "node:stream";
import type { Command } from "../cli/command.ts";
import { watchSignals } from "../cli/interrupts.ts";
import { run } from "../cli/run.ts";

export interface Place {
  readonly cwd: string;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface RunningHere {
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** As by Ctrl-C. */
  readonly interrupt: () => void;
  readonly ended: Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
}

/** Runs a command line in this process: the same but for the start of a program, which costs more than most commands. */
export function startHere(table: readonly Command[], argv: readonly string[], place: Place): RunningHere {
  const signals = new PassThrough();
  const [stdout, stderr] = [sink(), sink()];
  const stdin = new PassThrough();
  stdin.end();
  const world = {
    stdin,
    stdout: stdout.stream,
    stderr: stderr.stream,
    environment: place.environment ?? {},
    cwd: () => place.cwd,
    interrupts: watchSignals(signals),
  };
  const ended = run(table, argv, world).then((code) => ({
    code,
    stdout: stdout.text(),
    stderr: stderr.text(),
  }));
  return {
    stdout: stdout.text,
    stderr: stderr.text,
    interrupt: () => signals.emit("SIGINT", "SIGINT"),
    ended,
  };
}

function sink() {
  let text = "";
  const stream = new Writable({
    write(chunk, _, done) {
      text += String(chunk);
      done();
    },
  });
  return { stream, text: () => text };
}
