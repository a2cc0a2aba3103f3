import { exitCode } from "@daruma/base";
import { watchSignals } from "./cli/interrupts.ts";
import { describeFailure } from "./cli/render-error.ts";
import { run } from "./cli/run.ts";
import { commandTable } from "./commands/table.ts";

/** Runs a command line in this process, and ends the process with its exit code. */
export async function main(argv: readonly string[]): Promise<never> {
  process.on("uncaughtException", (error) => {
    process.stderr.write(`${describeFailure(error, (_, text) => text).text}\n`);
    process.exit(exitCode.error);
  });
  const exit = await run(commandTable, argv, {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    cwd: () => process.cwd(),
    interrupts: watchSignals(process),
  });
  process.exit(exit);
}
