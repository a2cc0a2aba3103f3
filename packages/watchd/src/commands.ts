import { execa } from "execa";

export interface Ended {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
  /** What went wrong, in a few words; empty if nothing did. */
  readonly problem: string;
}

interface Failing {
  readonly failed: boolean;
  readonly timedOut: boolean;
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly originalMessage?: string | undefined;
}

/**
 * Runs a program of PATH to its end, for at most `timeoutMs`. Never rejects: that it does not exist, or was ended, is a
 * problem like any other.
 */
export async function run(
  program: string,
  args: readonly string[],
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Ended> {
  const result = await execa(program, args, {
    reject: false,
    stdin: "ignore",
    timeout: options.timeoutMs,
    cancelSignal: options.signal,
    forceKillAfterDelay: 5_000,
  });
  const { stdout, stderr } = result;
  return { ok: !result.failed, stdout, stderr, problem: problemOf(program, options.timeoutMs, result) };
}

function problemOf(program: string, timeoutMs: number, result: Failing): string {
  if (!result.failed) return "";
  if (result.timedOut) return `${program} did not end within ${timeoutMs} ms`;
  if (result.exitCode !== undefined) return `${program} ended with exit code ${result.exitCode}`;
  return `${program}: ${result.signal ?? result.originalMessage ?? "it could not be run"}`;
}
