import { isDarumaError } from "@daruma/base";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { githubAnnotations } from "../cli/github.ts";

/**
 * Runs a command, and with the format `github` writes annotations of what it ends with to stdout. The text goes to stderr as
 * ever.
 *
 * @throws CLI_E_USAGE when stdout is to be JSON as well
 */
export async function annotating<T>(
  { output }: Context,
  format: string,
  action: () => Promise<T>,
): Promise<T> {
  if (format !== "github") return action();
  if (output.json) {
    throw agentctlErrors.make("CLI_E_USAGE", "--format github and --json both want stdout; use one of them");
  }
  try {
    return await action();
  } catch (error) {
    if (isDarumaError(error)) {
      for (const line of githubAnnotations(error)) await output.record("", () => line);
    }
    throw error;
  }
}
