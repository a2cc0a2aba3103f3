/** What counts as a change of a unit, and what it takes to apply it; cases as in switch-to-configuration-ng's own tests. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";

const directoryOfModules = join(import.meta.dirname, "generation", "switch");
/** Reads the lists of files of both units from its arguments, and prints a line each: the verdict, sockets, flags. */
const program = `
  use Units;
  my ($old, $new) = map { Units::read_files(split /:/) } @ARGV;
  my @flags = map {
    my ($section, $key) = split /\\n/;
    my $is_set = Units::is_set($key eq "X-StopOnRemoval" ? $old : $new, $section, $key);
    $is_set == $Units::defaults{$_} ? () : $is_set ? $key : "no-$key";
  } sort keys %Units::defaults;
  print map { "$_\\n" } Units::compare($old, $new), join(" ", Units::sockets($new)), "@flags";
`;

interface Comparison {
  readonly verdict: string | undefined;
  readonly sockets: string;
  readonly flags: readonly string[];
}

/** Compares units given as their files' texts: the unit and then its drop-ins. */
function compare(directory: string, before: readonly string[], after: readonly string[]): Comparison {
  const write = (side: string, texts: readonly string[]) =>
    texts.map((text, index) => {
      const file = join(directory, `${side}-${index}`);
      writeFileSync(file, text);
      return file;
    });
  const files = [write("old", before), write("new", after)].map((paths) => paths.join(":"));
  const answer = execFileSync("perl", [`-I${directoryOfModules}`, "-e", program, ...files], {
    encoding: "utf8",
  });
  const [verdict, sockets = "", flags = ""] = answer.split("\n");
  return { verdict, sockets, flags: flags.split(" ").filter((flag) => flag !== "") };
}

const service = "[Service]\nExecStart=/a\n";

const cases: readonly (readonly [name: string, before: string, after: string, verdict: string])[] = [
  ["nothing", service, service, "equal"],
  [
    "a comment, a blank, an order",
    "[Service]\nA=1\nB=2\n",
    "# new\n[Service]\n\n  B=2\nA = 1\n; more\n",
    "equal",
  ],
  ["a command", service, "[Service]\nExecStart=/b\n", "restart"],
  ["a setting that comes", service, `${service}User=a\n`, "restart"],
  ["a setting that goes", `${service}User=a\n`, service, "restart"],
  ["the order of repeated lines", "[Service]\nA=1\nA=2\n", "[Service]\nA=2\nA=1\n", "restart"],
  ["what an empty line takes back", "[Service]\nA=1\nA=\nA=2\n", "[Service]\nA=2\n", "equal"],
  ["[Install]", service, `${service}[Install]\nWantedBy=a\n`, "equal"],
  ["a section that comes", service, `${service}[Socket]\nA=1\n`, "restart"],
  ["Description", `[Unit]\nDescription=a\n${service}`, `[Unit]\nDescription=b\n${service}`, "equal"],
  ["Description that comes with [Unit]", service, `[Unit]\nDescription=b\n${service}`, "equal"],
  ["OnFailure that goes", `[Unit]\nOnFailure=a\n${service}`, service, "equal"],
  ["After", `[Unit]\nAfter=a\n${service}`, `[Unit]\nAfter=b\n${service}`, "restart"],
  ["Description in another section", `${service}Description=a\n`, `${service}Description=b\n`, "restart"],
  ["X-Reload-Triggers", "[Unit]\nX-Reload-Triggers=a\n", "[Unit]\nX-Reload-Triggers=b\n", "reload"],
  ["X-Reload-Triggers that comes", service, `[Unit]\nX-Reload-Triggers=b\n${service}`, "reload"],
  ["X-Reload-Triggers that goes", `[Unit]\nX-Reload-Triggers=b\n${service}`, service, "equal"],
  ["X-Restart-Triggers", "[Unit]\nX-Restart-Triggers=a\n", "[Unit]\nX-Restart-Triggers=b\n", "restart"],
  [
    "a trigger and a command",
    `[Unit]\nX-Reload-Triggers=a\n${service}`,
    "[Service]\nExecStart=/b\n",
    "restart",
  ],
  ["ExecReload", `${service}ExecReload=/a\n`, `${service}ExecReload=/b\n`, "reload"],
  ["ExecReload that comes", service, `${service}ExecReload=/b\n`, "reload"],
  ["ExecReload that goes", `${service}ExecReload=/b\n`, service, "equal"],
  ["Options of a mount", "[Mount]\nWhat=a\nOptions=a\n", "[Mount]\nWhat=a\nOptions=b\n", "reload"],
  ["Options that a mount gets", "[Mount]\nWhat=a\n", "[Mount]\nWhat=a\nOptions=b\n", "restart"],
];

for (const [name, before, after, verdict] of cases) {
  t.test(`A change of ${name}: ${verdict}`, async (t) => {
    t.equal(compare(t.testdir(), [before], [after]).verdict, verdict);
  });
}

t.test("Drop-ins add to the unit and take back from it", async (t) => {
  const dropIn = "[Service]\nExecStart=\nExecStart=/b\n";
  t.equal(compare(t.testdir(), [service, dropIn], ["[Service]\nExecStart=/b\n"]).verdict, "equal");
  t.equal(compare(t.testdir(), [service], [service, dropIn]).verdict, "restart");
});

t.test(
  "Flags are the keys that are not at their default, and the last value counts",

  async (t) => {
    const after = [
      "[Unit]\nX-OnlyManualStart=yes\nX-StopOnRemoval=false\nRefuseManualStop=1\nRefuseManualStart=no\n",
      "[Service]\nX-RestartIfChanged=false\nX-StopIfChanged=\nX-ReloadIfChanged=false\nX-ReloadIfChanged=true\n",
      "Sockets=a.socket b.socket\nSockets=c.socket\n",
    ].join("");
    const { flags, sockets } = compare(t.testdir(), ["[Unit]\nX-StopOnRemoval=0\n"], [after]);
    t.same([...flags].sort(), [
      "RefuseManualStop",
      "X-OnlyManualStart",
      "X-ReloadIfChanged",
      "no-X-RestartIfChanged",
      "no-X-StopOnRemoval",
    ]);
    t.equal(sockets, "a.socket b.socket c.socket");
    t.same(compare(t.testdir(), [service], [service]).flags, []);
  },
);

t.test("A unit that is gone is told by what it was", async (t) => {
  const { verdict, flags } = compare(t.testdir(), ["[Unit]\nX-StopOnRemoval=false\n"], []);
  t.equal(verdict, "restart");
  t.same(flags, ["no-X-StopOnRemoval"]);
});
