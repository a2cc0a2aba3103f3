import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type AgentInput, decodeFleet, type Fleet, type FleetInput, nixpkg, source } from "@daruma/config";
import fc from "fast-check";
import t from "tap";
import { compileFleet } from "./compile.ts";
import { packFleet, unpackFleet } from "./report.ts";
import { loadTemplates } from "./templates.ts";

const templates = await loadTemplates();

/** What orders and locales could show in: letters that sort differently by language, and agents shared by hosts. */
const names = ["ii", "zz", "aa-b", "aa", "a0", "h1", "h10", "h2"];
const agent: AgentInput = {
  command: [nixpkg("nodejs_24", "bin/node"), source("./agent", "main.js"), "--size", "1024"],
  environment: { Z: "İ", a: "ß", i: "1,5", I: "1.5", _: "" },
  credentials: { b: "/run/b", A: "/run/ä", a: "/run/a" },
  restart: { exits: { "9": "success", "10": "failure", SIGUSR1: "temporary" }, backoff: { factor: 1.5 } },
  egress: ["İ.example:443", { cidr: "10.0.0.0/8", port: 5432 }],
};
const inner: AgentInput = { ...agent, command: [source("./generated/h1/code", "run")] };
const fleet: FleetInput = {
  egress: { deny: ["b.example", "a.example"] },
  hosts: Object.fromEntries(
    names.map((name, index) => [
      name,
      {
        system: "x86_64-linux",
        egress: { allow: ["c.example:443"] },
        agents: Object.fromEntries(names.slice(index).map((each) => [each, index % 3 === 0 ? inner : agent])),
      },
    ]),
  ),
};

function decoded(input: unknown): Fleet {
  const result = decodeFleet(input);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.fleet;
}

function compiled(of: Fleet): string {
  const files = compileFleet(of, {
    configFile: "/srv/fleet/fleet.config.ts",
    out: "/srv/fleet/generated",
    templates,
  });
  return JSON.stringify([...files]);
}

/** The same value with the keys of every object in an order that the seed gives. */
function reordered(value: unknown, seed: number): unknown {
  if (Array.isArray(value)) return value.map((each: unknown) => reordered(each, seed));
  if (typeof value !== "object" || value === null) return value;
  const rank = (key: string) => fc.hash(`${seed}:${key}`);
  const entries = Object.entries(value).sort(([a], [b]) => rank(a) - rank(b));
  return Object.fromEntries(entries.map(([key, each]) => [key, reordered(each, seed)]));
}

if (process.argv[2] === "print") {
  process.stdout.write(compiled(decoded(fleet)));
} else {
  const expected = compiled(decoded(fleet));

  t.test("the order of keys does not show", async (t) => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        t.equal(compiled(decoded(reordered(fleet, seed))), expected);
      }),
      { numRuns: 50 },
    );
  });

  t.test("agents that are shared are printed as they are by themselves", async (t) => {
    const alone = (name: string) => compiled(decoded({ ...fleet, hosts: { [name]: fleet.hosts[name] } }));
    const parts = Object.keys(fleet.hosts)
      .sort()
      .map((name) => alone(name).slice(1, -1));
    t.equal(`[${parts.join(",")}]`, expected);
    const packed = JSON.parse(JSON.stringify(packFleet(decoded(fleet))));
    t.equal(packed.agents.length, 2);
    t.equal(compiled(unpackFleet(packed)), expected);
  });

  t.test("neither the time zone nor the language of the machine shows", async (t) => {
    // The types of a hundred files take Node longer than everything else here.
    const cache = fileURLToPath(new URL("../../../../node_modules/.cache/tests", import.meta.url));
    const { PATH, NODE_COMPILE_CACHE = cache } = process.env;
    const printed = execFileSync(process.execPath, [fileURLToPath(import.meta.url), "print"], {
      env: { PATH, NODE_COMPILE_CACHE, TZ: "Pacific/Apia", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8" },
      encoding: "utf8",
    });
    t.equal(printed, expected);
  });
}
