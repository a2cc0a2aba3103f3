import type { Command } from "./command.ts";
import { globalOptions } from "./command.ts";
import { commonExits, optionRows, usageOf } from "./help.ts";

/** The reference of the command line in Markdown: docs/reference/cli.md. */
export function cliReference(table: readonly Command[]): string {
  const parts = [
    "# agentctl",
    "Generated from the command table by `make generate`. `agentctl help COMMAND` says the same.",
    ...table.map(
      (command) => `- [\`agentctl ${usageOf(command)}\`](#${anchorOf(command)}): ${command.summary}`,
    ),
  ];
  return `${[
    parts.slice(0, 2).join("\n\n"),
    parts.slice(2).join("\n"),
    "## Options of every command",
    rowsTable(["Option", "Meaning"], optionRows(globalOptions)),
    'With `--json` stdout is one JSON document with `schemaVersion`, or, where it says so below, JSON lines. Everything else goes to stderr. An error is `{"schemaVersion":1,"error":{"code","message","hint","where"?,"problems"?}}` on stdout; [errors.md](errors.md) lists the codes. The exit code is the same with and without `--json`.',
    "## Exit codes of every command",
    rowsTable(
      ["Code", "Meaning"],
      commonExits.map(({ code, means }) => [String(code), means]),
    ),
    ...table.flatMap(section),
  ].join("\n\n")}\n`;
}

function section(command: Command): string[] {
  const args = Object.entries(command.args).map(([name, arg]): Row => [name, arg.description]);
  const options = optionRows(command.options);
  return [
    `## agentctl ${command.path.join(" ")}`,
    `\`\`\`\nagentctl ${usageOf(command)}${options.length > 0 ? " [options]" : ""}\n\`\`\``,
    `${command.summary}. ${command.description}`,
    ...(args.length + options.length > 0
      ? [rowsTable(["Argument or option", "Meaning"], [...args, ...options])]
      : []),
    `With \`--json\`: ${command.json === "document" ? "one document" : "JSON lines"}.`,
    ...(command.exits.length > 0
      ? [
          rowsTable(
            ["Exit code", "Meaning here"],
            command.exits.map(({ code, means }) => [String(code), means]),
          ),
        ]
      : []),
    `\`\`\`sh\n${command.examples.map(({ run, does }) => `# ${does}\n${run}`).join("\n")}\n\`\`\``,
  ];
}

type Row = readonly [string, string];

function rowsTable(header: Row, rows: readonly Row[]): string {
  const line = ([left, right]: Row) => `| ${left} | ${right.replaceAll("|", "\\|")} |`;
  return [line(header), "| --- | --- |", ...rows.map(([left, right]) => line([`\`${left}\``, right]))].join(
    "\n",
  );
}

function anchorOf(command: Command): string {
  return ["agentctl", ...command.path].join("-");
}
