import t from "tap";
import { commandTable } from "../commands/table.ts";
import { defineCommand } from "./command.ts";
import { helpDocument, helpText } from "./help.ts";
import { cliReference } from "./reference.ts";

const sample = [
  defineCommand({
    path: ["water", "plants"],
    summary: "Water the plants that need it",
    description:
      "Looks at every plant first. Plants that are wet already are left alone, however much they ask.",
    args: { ROOM: { type: "text", required: false, description: "Only in this room" } },
    options: {
      amount: {
        type: "integer",
        value: "ML",
        short: "a",
        min: 1,
        max: 900,
        default: 250,
        description: "How much each plant gets",
      },
      talk: { type: "flag", default: true, description: "Talk to them" },
    },
    json: "document",
    examples: [{ run: "agentctl water plants kitchen", does: "Only in the kitchen" }],
    exits: [{ code: 3, means: "a plant is beyond help" }],
    load: async () => async () => 0,
  }),
];

t.test("the help of a command says what it does, takes and answers, within the width", async (t) => {
  const text = helpText(sample, ["water", "plants"], 72);
  t.equal(
    text,
    `Water the plants that need it

Usage: agentctl water plants [ROOM] [options]

Looks at every plant first. Plants that are wet already are left alone,
however much they ask.

Arguments:
  ROOM  Only in this room

Options:
  -a, --amount ML  How much each plant gets (default: 250)
  --[no-]talk      Talk to them (default: on)

Options of every command:
  --json        Print JSON on stdout; everything else goes to stderr
  -q, --quiet   Do not report progress on stderr
  --color WHEN  Use colour: auto, always or never. auto honours NO_COLOR
                and pipes (default: auto)
  -h, --help    Show what a command does and takes
  --version     Show the version

Examples:
  agentctl water plants kitchen  Only in the kitchen

Exit codes:
  0    done
  1    an error; its code is printed
  2    the command line is wrong
  3    a plant is beyond help
  5    a daemon cannot be reached
  130  interrupted (SIGINT)
  143  terminated (SIGTERM, SIGHUP)`,
  );
});

t.test(
  "no help of the real table is wider than the terminal, and each command is in the overview",
  async (t) => {
    for (const width of [60, 80, 120]) {
      const overview = helpText(commandTable, [], width);
      for (const command of commandTable) {
        t.match(overview, command.summary.split(" ").slice(0, 3).join(" "));
        const lines = helpText(commandTable, command.path, width).split("\n");
        // A command line in an example is never broken: it would not work when copied.
        const long = lines.filter((line) => line.length > width && !line.startsWith("  agentctl"));
        t.same(long, [], `${command.path.join(" ")} at ${width}`);
      }
    }
  },
);

t.test("the help of a group lists only its own commands", async (t) => {
  const text = helpText(commandTable, ["ledger"], 100);
  t.match(text, "ledger tail");
  t.notMatch(text, "rollback");
});

t.test("help as a document is plain JSON with everything that help says", async (t) => {
  const document = JSON.parse(JSON.stringify(helpDocument(sample, [])));
  t.match(document, { schemaVersion: 1, commands: [{ command: "water plants", json: "document" }] });
  t.equal(document.commands[0].options.amount.default, 250);
});

t.test("the reference has a section with every option for each command", async (t) => {
  const text = cliReference(commandTable);
  for (const command of commandTable) {
    t.match(text, `\n## agentctl ${command.path.join(" ")}\n`);
    for (const name of Object.keys(command.options)) t.match(text, name);
  }
});

t.test("every command of the real table is described completely", async (t) => {
  for (const command of commandTable) {
    const name = command.path.join(" ");
    t.ok(command.summary.length > 0 && !command.summary.endsWith("."), `${name}: summary`);
    t.ok(command.description.endsWith("."), `${name}: description`);
    t.ok(command.examples.length > 0, `${name}: example`);
    for (const { run } of command.examples) t.match(run, `agentctl ${name}`);
  }
});
