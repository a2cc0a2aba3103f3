import { text } from "node:stream/consumers";
import { parseArgs } from "node:util";
import { exitCode, isDarumaError, messageOf } from "@daruma/base";
import { egressErrors } from "../catalogue.ts";
import { probe } from "./attempt.ts";
import { egressdCalls, probeUnit, runSelfTests, takeAgentsAway } from "./run.ts";
import type { ProbeRequest } from "./ways.ts";

const withinMs = 4_000;

/**
 * The self-test of the wall.
 *   egress-self-test run --egressd SOCKET --directory DIRECTORY    as root: makes the tests that egressd wants
 *   egress-self-test probe                                         in an agent's sandbox: stdin and stdout are JSON
 */
async function main([verb, ...args]: readonly string[]): Promise<void> {
  if (verb === "probe" && args.length === 0) {
    const request = JSON.parse(await text(process.stdin)) as ProbeRequest;
    process.stdout.write(JSON.stringify(await probe(request, withinMs)));
    return;
  }
  const { egressd, directory } = parse(verb, args);
  await runSelfTests({
    egressd: egressdCalls(egressd),
    probe: probeUnit(directory),
    confirmMs: 1_000,
    failClosed: async (agents) => {
      // systemd takes the prefix for the priority, here `crit` (sd-daemon(3)).
      process.stderr.write(
        `<2>daruma: there is a way out for ${agents.join(", ")} that no rule allows: stopping the agents behind the wall\n`,
      );
      await takeAgentsAway();
    },
  });
}

function parse(verb: string | undefined, args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    if (verb !== "run") throw new Error("it is `run` or `probe`");
    const { values } = parseArgs({ args: [...args], options: { egressd: text, directory: text } });
    const { egressd, directory } = values;
    if (egressd === undefined || directory === undefined)
      throw new Error("--egressd and --directory are needed");
    return { egressd, directory };
  } catch (cause) {
    throw egressErrors.make("EGRESS_SELF_TEST_E_USAGE", messageOf(cause), { cause });
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const isKnown = isDarumaError(error);
  process.stderr.write(
    `egress-self-test: ${isKnown ? `${error.code}: ${error.message}\n  ${error.hint}` : messageOf(error)}\n`,
  );
  process.exit(isKnown ? error.exit : exitCode.error);
});
