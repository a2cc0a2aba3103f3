/*
 * The program. Everything but the version is imported only when it is needed: Node itself takes most of the time that
 * `agentctl --version` may take.
 */
import manifest from "../package.json" with { type: "json" };
import { evaluatorArgument } from "./compile/report.ts";

const argv = process.argv.slice(2);
if (argv.length === 1 && argv[0] === "--version") {
  process.stdout.on("error", ({ message }) => {
    process.stderr.write(`error CLI_E_OUTPUT: cannot write to stdout: ${message}\n`);
    process.exitCode = 1;
  });
  process.stdout.write(`agentctl ${manifest.version}\n`);
} else if (argv[0] === evaluatorArgument) {
  const { runEvaluator } = await import("./compile/evaluator.ts");
  await runEvaluator(argv.slice(1));
} else {
  const { main } = await import("./program.ts");
  await main(argv);
}
