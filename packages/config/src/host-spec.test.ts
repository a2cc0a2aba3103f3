import { digestOf, type JsonValue } from "@daruma/base";
import t from "tap";
import { decodeFleet } from "./decode.ts";
import type { Fleet } from "./fleet.ts";
import { hostSpecs } from "./host-spec.ts";
import { minimalAgent } from "./test-support.ts";

function fleetOf(hosts: object): Fleet {
  const decoded = decodeFleet({ hosts });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return decoded.fleet;
}

const host = { system: "x86_64-linux", agents: { bb: minimalAgent, aa: minimalAgent } };

t.test("a host's spec is JSON and does not depend on the order in the file", async (t) => {
  const specs = hostSpecs(fleetOf({ web: host, db: host }));
  t.same(
    specs.map((spec) => spec.host),
    ["db", "web"],
  );
  t.same(Object.keys(specs[0]?.agents ?? {}), ["aa", "bb"]);
  const turned = hostSpecs(
    fleetOf({ db: host, web: { ...host, agents: { aa: minimalAgent, bb: minimalAgent } } }),
  );
  t.equal(JSON.stringify(turned), JSON.stringify(specs));
  t.type(digestOf(specs as unknown as JsonValue), "string");
});

t.test("references stay symbolic", async (t) => {
  const [spec] = hostSpecs(fleetOf({ web: host }));
  t.same(spec?.agents.aa?.command, minimalAgent.command);
});
