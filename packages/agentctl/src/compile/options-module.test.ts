import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  decodeFleet,
  hostFields,
  isGroup,
  jsonSchemas,
  type OptionField,
  type OptionType,
} from "@daruma/config";
import { Ajv2020 } from "ajv/dist/2020.js";
import t, { type Test } from "tap";
import { nixCall, nixNumber, nixSet, nixString, printNix } from "./nix-expression.ts";
import { evaluateNix, nixpkgsLib, withoutLib } from "./nix-support.ts";
import { optionsModule } from "./options-module.ts";

const fitsSchema = new Ajv2020({ strict: false }).compile(jsonSchemas().fleet);
const modules = fileURLToPath(new URL("../../../../modules", import.meta.url));

t.test("modules/options.nix is what the schema says", async (t) => {
  t.equal(
    readFileSync(`${modules}/options.nix`, "utf8"),
    await optionsModule(),
    "stale: run `make generate`",
  );
});

t.test("calls take calls in parentheses, and no name is made of a text", async (t) => {
  const call = nixCall("f", nixCall("g.h", nixNumber(1)), nixCall("i"), nixSet({ a: nixString("x") }));
  t.equal(printNix(call), 'f (g.h 1) i {\n  a = "x";\n}');
  t.equal(printNix(nixCall("f", call)), 'f (\n  f (g.h 1) i {\n    a = "x";\n  }\n)');
  for (const name of ["a b", "", "a.", "with", '"x"', "a;b"]) t.throws(() => nixCall(name), RangeError);
});

/** A value at an option of the agent `worker` or of its host, as both sides write it. */
interface Sample {
  readonly path: readonly string[];
  readonly value: unknown;
}

const host = hostFields();
const options = [
  ...leaves(
    host.filter(({ name }) => !["agents", "system", "routines"].includes(name)),
    [],
  ),
  ...leaves(fieldsOf("agents"), ["agents", "worker"]),
  ...leaves(fieldsOf("routines"), ["routines", "worker"]),
];

/** What each option has to take, and what it has to refuse. */
const good = options.flatMap(right);
const bad = options.flatMap(nearlyRight);

function fieldsOf(records: string): readonly OptionField[] {
  const type = host.find(({ name }) => name === records)?.type;
  if (type?.kind !== "record" || type.values.kind !== "fields") throw new Error(`there are no ${records}`);
  return type.values.fields;
}

t.test(
  "the options of NixOS take the defaults and examples of the fleet file",
  { skip: withoutLib },
  async (t) => {
    const inNix = good.filter(({ value }) => !/"ref"|^\["[^"]*[.:]/.test(JSON.stringify(value)));
    t.ok(inNix.length > 40);
    check(t, inNix, true);
  },
);

t.test(
  "what is of a wrong type or out of range is refused on both sides",
  { skip: withoutLib },
  async (t) => {
    t.ok(bad.length > 150);
    check(t, bad, false);
  },
);

t.test("an option that is not there is refused on both sides", { skip: withoutLib }, async (t) => {
  const groups = [[], ["watchdog"], ["egress"], ["agents", "worker"], ["agents", "worker", "restart"]];
  check(
    t,
    groups.map((path) => ({ path: [...path, "nothing"], value: 1 })),
    false,
  );
});

t.test("the JSON Schema takes and refuses what the fleet file does", async (t) => {
  for (const [expected, samples] of [
    [true, good],
    [false, bad],
  ] as const) {
    const mistaken: string[] = [];
    t.ok(samples.length > 80);
    for (const sample of samples) {
      const { path, value } = sample;
      const what = `${path.join(".")} = ${JSON.stringify(value)}`;
      const fleet = fleetWith(path, value);
      if (isDecoded(sample) !== expected) mistaken.push(`the fleet file: ${what}`);
      // No JSON Schema can say how long a duration may be.
      if (!/"\d{5,}(d|TiB)"/.test(what) && fitsSchema(fleet) !== expected)
        mistaken.push(`JSON Schema: ${what}`);
    }
    t.same(mistaken, []);
  }
});

interface Leaf {
  readonly field: OptionField;
  readonly path: readonly string[];
}

/** The default and the example. */
function right({ field, path }: Leaf): Sample[] {
  return [field.default, field.example].flatMap((value) => (value === undefined ? [] : [{ path, value }]));
}

function nearlyRight({ field, path }: Leaf): Sample[] {
  return wrong(field.type).map((value) => ({ path, value }));
}

/** Options that have a value, with their paths; what is in one that may be null is an option of its own. */
function leaves(fields: readonly OptionField[], path: readonly string[]): Leaf[] {
  return fields.flatMap((field) => {
    const at = [...path, field.name];
    const inside = field.type.kind === "fields" ? leaves(field.type.fields, at) : [];
    return isGroup(field) ? inside : [{ field, path: at }, ...inside];
  });
}

/** Values that are nearly what the type says. */
function wrong(type: OptionType): readonly unknown[] {
  switch (type.kind) {
    case "text":
      return [1, ["/x"], ...(type.pattern === undefined ? [] : [""])];
    case "duration":
    case "size": {
      const unit = type.kind === "size" ? "TiB" : "d";
      return [5, "5", "1.5s", " 1s", "-1s", "01s", `99999${unit}`, `${"9".repeat(30)}${unit}`];
    }
    case "whole":
      return [type.min - 1, type.max + 1, type.min + 0.5, String(type.min)];
    case "real":
      return [type.min - 0.5, type.max + 0.5, String(type.min)];
    case "choice":
      return ["", `${type.words[0]}x`, [type.words[0]]];
    case "flag":
      return ["true", 1];
    case "list":
      return [{}, "x", ...(type.nonEmpty ? [[]] : []), ...(type.distinct ? twice(type.rest) : [])];
    case "record":
      return [[], "x", ...wrong(type.values).map((value) => ({ "1": value }))];
    case "fields":
      return [[], "x", { nothing: 1 }];
    case "either":
      return type.of.every(({ kind }) => kind !== "fields") ? [[], { a: 1 }] : [[], 5];
    case "number":
    case "null":
    case "reference":
      return [];
  }
}

function twice(type: OptionType): unknown[] {
  return type.kind === "choice" ? [[type.words[0], type.words[0]]] : [];
}

function check(t: Test, samples: readonly Sample[], expected: boolean): void {
  const accepted = acceptedByNix(samples);
  const mistaken = samples.flatMap((sample, index) => {
    const { path, value } = sample;
    const what = `${path.join(".")} = ${JSON.stringify(value)}`;
    return [
      ...(accepted[index] === expected ? [] : [`Nix: ${what}`]),
      ...(isDecoded(sample) === expected ? [] : [`the fleet file: ${what}`]),
    ];
  });
  t.same(mistaken, []);
}

const decodings = new Map<Sample, boolean>();

/** Whether the fleet file takes it: asked beside Nix and beside the JSON Schema, and found out once. */
function isDecoded(sample: Sample): boolean {
  const ok = decodings.get(sample) ?? decodeFleet(fleetWith(sample.path, sample.value)).ok;
  decodings.set(sample, ok);
  return ok;
}

/** What has to be beside a setting for the whole to be complete. */
const beside: Readonly<Record<string, object>> = {
  health: { http: "http://127.0.0.1/" },
  leak: { growth: "64MiB" },
  heartbeat: { through: "http" },
  quiet: { from: "22:00", to: "07:00" },
  deadMansSwitch: { credential: "/run/secrets/monitor", url: "https://hc-ping.com" },
  webhook: { path: "/hook", scheme: "standard", secrets: ["/run/secrets/hook"] },
};

function settings(path: readonly string[], value: unknown): object {
  const [first = "", ...rest] = path;
  if (rest.length === 0) return { [first]: value };
  return { [first]: { ...beside[first], ...settings(rest, value) } };
}

function fleetWith(path: readonly string[], value: unknown): unknown {
  const given = settings(path, value) as Readonly<Record<string, { readonly worker?: object } | undefined>>;
  const command = ["/bin/worker"];
  const agents = { worker: { command, ...given.agents?.worker } };
  // Examples of routines name these two.
  const routines = given.routines && {
    agents: { ...agents, enricher: { command } },
    routines: { worker: { command, ...given.routines.worker }, extract: { command } },
  };
  return { hosts: { h: { system: "x86_64-linux", ...given, agents, ...routines } } };
}

/** Whether Nix gives the option that the sample is of a value. What else a host has is not looked at, and not to blame. */
function acceptedByNix(samples: readonly Sample[]): readonly boolean[] {
  const values = samples.map(({ path, value }) => ({ path, settings: settings(path, value) }));
  return evaluateNix(`
    let
      lib = import (/. + ${JSON.stringify(nixpkgsLib)});
      accepts = { path, settings }:
        let
          config = (lib.evalModules {
            modules = [
              (/. + ${JSON.stringify(`${modules}/options.nix`)})
              { services.daruma = settings; }
              {
                services.daruma = { host = "h"; system = "x86_64-linux"; };
              }
            ]
            ++ lib.optional (!(settings ? agents.worker.command)) { services.daruma.agents.worker.command = [ "/bin/worker" ]; }
            ++ lib.optional (settings ? routines && !(settings ? routines.worker.command)) {
              services.daruma.routines.worker.command = [ "/bin/worker" ];
            };
          }).config.services.daruma;
        in
        (builtins.tryEval (builtins.deepSeq (lib.attrByPath path null config) true)).success;
    in
    map accepts (builtins.fromJSON ${printNix(nixString(JSON.stringify(values)))})
  `) as readonly boolean[];
}
