// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are what systemd and Nix would expand

import { character } from "@daruma/base/test-support";
import { type AgentInput, nixpkg } from "@daruma/config";
import fc from "fast-check";
import t from "tap";
import { evaluateNix, must, nixPath, type Sections, type Units, unitsOfHost, withoutNix } from "./support.ts";
import { readCommandLine, readWords } from "./systemd-syntax.ts";

const node = nixpkg("nodejs_24", "bin/node");
const nodePath = "/stub/nodejs_24/bin/node";

const text = fc
  .oneof(
    fc.string({ unit: character }),
    fc.string({ unit: fc.constantFrom(..."%$\\\"'`;:@-+!|#{}~ \n\r\t\u0001\u0007\u007f\u0085\u2028é") }),
  )
  .map((value) => value.replaceAll("\u0000", ""))
  .filter((value) => value.isWellFormed());

const known = [
  "",
  " ",
  ";",
  "\\;",
  "%",
  "%%",
  "%h",
  "$",
  "$$",
  "$HOME",
  "${HOME}",
  "\\",
  "ends with \\",
  '"',
  "'",
  "a\nb",
  "# no comment",
  "\r\n",
  "x=y",
  "-",
  "@",
];

const pathOf = (characters: string) =>
  fc.string({ unit: fc.constantFrom(...characters) }).map((name) => `/srv/${name}x`);
const directory = pathOf("ab %$\"'\\:;#~é");
const secret = pathOf("ab%$\"':;#~é");

const agent = fc.record({
  command: fc.array(text, { maxLength: 5 }).map((rest): AgentInput["command"] => [node, ...rest]),
  environment: fc.dictionary(fc.stringMatching(/^[A-Z][A-Z0-9_]{0,9}$/), text, { maxKeys: 4 }),
  workingDirectory: directory,
  credentials: fc.dictionary(fc.stringMatching(/^[A-Z][A-Z0-9_.-]{0,9}$/), secret, { maxKeys: 3 }),
});

const samples: readonly Required<
  Pick<AgentInput, "command" | "environment" | "workingDirectory" | "credentials">
>[] = [
  { command: [node, ...known], environment: {}, workingDirectory: "/srv/a", credentials: {} },
  {
    command: [node],
    environment: Object.fromEntries(known.map((value, index) => [`V${index}`, value])),
    workingDirectory: '/srv/100% "a" $b',
    credentials: { KEY: "/run/100%:$x" },
  },
  ...fc.sample(agent, { numRuns: 150, seed: 2026 }),
];

let evaluated: Units | undefined;
/** The units of an agent for each sample. */
function sampleUnits(): Units {
  const agents = Object.fromEntries(samples.map((sample, index) => [`agent-${index}`, sample]));
  evaluated ??= unitsOfHost({ agents });
  return evaluated;
}

t.test("systemd reads back every word that was declared", { skip: withoutNix }, async (t) => {
  const { unitTexts } = sampleUnits();
  for (const [index, sample] of samples.entries()) {
    const settings = settingsOf(must(unitTexts, `daruma-agent-agent-${index}.service`));
    const words = sample.command.map((word) => (word === node ? nodePath : word));
    t.same(settings("ExecStart").map(readCommandLine), [words], `command ${index}`);
    const environment = settings("Environment").map(readWords);
    t.ok(
      environment.every((line) => line.length === 1),
      `one variable a line ${index}`,
    );
    const declared = environment.flat().filter((line) => !line.startsWith("DARUMA_"));
    const expected = Object.entries(sample.environment).map(([name, value]) => `${name}=${value}`);
    t.same(declared.sort(), expected.sort(), `environment ${index}`);
    t.same(
      settings("WorkingDirectory"),
      [sample.workingDirectory.replaceAll("%", "%%")],
      `directory ${index}`,
    );
    t.same(settings("ReadWritePaths").map(readWords), [[`-${sample.workingDirectory}`]], `writable ${index}`);
    const credentials = Object.entries(sample.credentials).map(
      ([name, file]) => `${name}:${file.replaceAll("%", "%%")}`,
    );
    t.same(settings("LoadCredential").sort(), credentials.sort(), `credentials ${index}`);
  }
});

t.test("no text becomes a setting or a section of its own", { skip: withoutNix }, async (t) => {
  const { units, unitTexts } = sampleUnits();
  for (const [name, text] of Object.entries(unitTexts))
    t.same(shapeOf(text), shapeOfSections(must(units, name)));
});

t.test(
  "a value that would break its line is refused where it is printed",
  { skip: withoutNix },
  async (t) => {
    const values = ["a\nb", "a\rb", "a\\", "a", "x".repeat(1 << 20)];
    const printed = evaluateNix(`
    let prints = value: (builtins.tryEval ((import ${nixPath("modules/units/text.nix")}).unitText { Service.Key = value; })).success;
    in map prints (builtins.fromJSON ${JSON.stringify(JSON.stringify(values))})
  `);
    t.same(printed, [false, false, false, true, false]);
  },
);

/** The values of a setting, one for each of its lines. */
function settingsOf(unit: string): (name: string) => string[] {
  const lines = unit.split("\n");
  return (name) =>
    lines.filter((line) => line.startsWith(`${name}=`)).map((line) => line.slice(name.length + 1));
}

/** Sections and the names of their settings, line by line, with comments and joined lines as errors. */
function shapeOf(unit: string): string[] {
  return unit
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      if (line.endsWith("\\")) throw new Error(`the line ${line} goes on`);
      const name = /^(\[[A-Z][a-z]+\]$|[A-Z][A-Za-z-]+(?==))/.exec(line)?.[1];
      if (name === undefined) throw new Error(`the line ${line} is no setting`);
      return name;
    });
}

function shapeOfSections(sections: Sections): string[] {
  return ["Unit", "Service", "Install"].flatMap((section) => {
    const settings = sections[section];
    if (settings === undefined) return [];
    const names = Object.keys(settings).sort((a, b) => (a < b ? -1 : 1));
    return [
      `[${section}]`,
      ...names.flatMap((name) => {
        const value = settings[name];
        return Array.isArray(value) ? value.map(() => name) : [name];
      }),
    ];
  });
}
