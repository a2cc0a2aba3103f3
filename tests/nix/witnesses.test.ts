import t from "tap";
import {
  evaluateNix,
  type HostCase,
  must,
  nixHost,
  nixPath,
  packages,
  type Sections,
  withoutNix,
} from "./support.ts";

/* services.daruma.ledger: when checkpoints are signed, and who outside the host sees them. */

const host: HostCase = { agents: {} };
const key = "witness.example.org+8a5d28dd+BAECAw/+4Q==";
const witness = `{ url = "http://witness.example.org:7380"; key = "${key}"; }`;
const none = {
  checkpointEntries: "null",
  checkpointSeconds: "null",
  witnesses: "[ ]",
  witnessFiles: "[ ]",
  witnessCommands: "[ ]",
};

type Ledger = Partial<typeof none>;

const specWith = (ledger: Ledger) => {
  const settings = Object.entries({ ...none, ...ledger }).map(([name, value]) => `${name} = ${value};`);
  return `(${nixHost(host)} // { ledger = { ${settings.join(" ")} }; })`;
};

/** The service of ledgerd, of a host whose options are given as Nix. */
function services(specs: readonly string[]): readonly Sections[string][] {
  const unit =
    '(import UNITS { inherit spec pkgs; hostSeed = ""; }).units."daruma-ledgerd.service".Service'.replace(
      "UNITS",
      nixPath("modules/units.nix"),
    );
  return evaluateNix(`
    let pkgs = ${packages}; in map (spec: ${unit}) [ ${specs.join("\n")} ]
  `) as readonly Sections[string][];
}

t.test(
  "ledgerd gets its witnesses, and no more of the system than they need",
  { skip: withoutNix },
  async (t) => {
    const [fleet, without, http, file, command, paced] = services([
      nixHost(host),
      specWith({}),
      specWith({ witnesses: `[ ${witness} ]` }),
      specWith({ witnessFiles: '[ "/mnt/else where/100%" ]' }),
      specWith({ witnessCommands: '[ "/stub/keep" "/stub/push" ]' }),
      specWith({ checkpointEntries: "1000", checkpointSeconds: "10" }),
    ]);
    t.same(without, fleet, "a host from a fleet file, which has none");
    t.equal(must(fleet ?? {}, "PrivateNetwork"), true);
    const flagsOf = (service = fleet) => {
      const [line, rest] = String(service?.ExecStart).split(String(fleet?.ExecStart));
      t.equal(line, "", "the rest is as without");
      return rest?.trim();
    };
    t.equal(flagsOf(http), `"--witness" "http://witness.example.org:7380#${key}"`);
    t.equal(flagsOf(file), '"--witness-file" "/mnt/else where/100%%"');
    t.equal(flagsOf(command), '"--witness-command" "/stub/keep" "--witness-command" "/stub/push"');
    t.equal(flagsOf(paced), '"--checkpoint-entries" "1000" "--checkpoint-seconds" "10"');
    for (const networked of [http, command]) {
      t.equal(networked?.PrivateNetwork, undefined);
      t.equal(networked?.IPAddressDeny, undefined);
      t.same(networked?.RestrictAddressFamilies, ["AF_INET", "AF_INET6", "AF_UNIX"]);
      t.equal(networked?.ProtectSystem, "strict", "everything else stays forbidden");
      t.same(networked?.ReadWritePaths, fleet?.ReadWritePaths);
    }
    t.equal(file?.PrivateNetwork, true, "a file needs no network");
    const paths = [fleet?.ReadWritePaths ?? []].flat();
    t.same(file?.ReadWritePaths, [...paths, '"-/mnt/else where"']);
  },
);

t.test(
  "a witness that no unit or no ledgerd could take is refused, and named",
  { skip: withoutNix },
  async (t) => {
    const refused: readonly (readonly [keyof Ledger, string])[] = [
      ["witnesses", `[ { url = "witness:7380"; key = "${key}"; } ]`],
      ["witnesses", `[ { url = "http://w/#x"; key = "${key}"; } ]`],
      ["witnesses", '[ { url = "http://w/"; key = "witness+8a5d28dd"; } ]'],
      ["witnesses", '[ { url = "http://w/"; key = ""; } ]'],
      ["witnessFiles", '[ "seen.jsonl" ]'],
      ["witnessFiles", '[ "/" ]'],
      ["witnessFiles", '[ "/mnt/../etc/x" ]'],
      ["witnessCommands", '[ "keep" ]'],
      ["witnessCommands", '[ "" ]'],
    ];
    const good = {
      witnesses: `[ ${witness} ]`,
      witnessFiles: '[ "/mnt/x" ]',
      witnessCommands: '[ "/bin/keep" ]',
    };
    const found = evaluateNix(`
    map (spec: map (each: each.message) (builtins.filter (each: !each.assertion) (import ${nixPath("modules/asserts.nix")} spec)))
      [ ${[good, ...refused.map(([name, value]) => ({ [name]: value }))].map(specWith).join("\n")} ]
  `) as readonly (readonly string[])[];
    t.same(found[0], []);
    for (const [index, [name, value]] of refused.entries()) {
      const messages = found[index + 1] ?? [];
      t.equal(messages.length, 1, value);
      t.match(messages[0], new RegExp(`^services\\.daruma\\.ledger\\.${name}: .* must be `));
    }
  },
);
