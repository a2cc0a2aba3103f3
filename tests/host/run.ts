/** Programs of this machine (not of a test host), for their effect. */
import { execa } from "execa";

/** Resolves with stdout. A failure's message is the command's own, without the command line, which can be long. */
export async function run(command: string, argv: readonly string[], withinMs: number): Promise<string> {
  const result = await execa(command, argv, { reject: false, timeout: withinMs, stdin: "ignore" });
  if (result.exitCode === 0) return result.stdout;
  const how = result.timedOut
    ? `did not end within ${withinMs} ms`
    : `ended with ${result.exitCode ?? result.signal}`;
  throw new Error(`${command} ${argv[1] ?? argv[0] ?? ""} ${how}:\n${result.stderr || result.stdout}`);
}
