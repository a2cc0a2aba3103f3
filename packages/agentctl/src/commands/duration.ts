import { agentctlErrors } from "../catalogue.ts";

/** Milliseconds of the value of `--timeout`. @throws CLI_E_USAGE */
export async function durationOf(text: string): Promise<number> {
  const { parseDuration } = await import("@daruma/config");
  const parsed = parseDuration(text);
  if (parsed.ok) return parsed.value;
  throw agentctlErrors.make("CLI_E_USAGE", `--timeout ${parsed.problem}`);
}
