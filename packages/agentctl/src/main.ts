/*
 * The program. Everything but the version is imported only when it is needed: Node itself takes most of the time that
 * `agentctl --version` may take.
 */
import manifest from "../package.json" with { type: "json" };

const argv = process.argv.slice(2);
if (argv.length === 1 && argv[0] === "--version") {
  process.stdout.write(`agentctl ${manifest.version}\n`);
} else {
  const { main } = await import("./program.ts");
  await main(argv);
}
