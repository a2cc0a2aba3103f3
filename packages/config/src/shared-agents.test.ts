import fc from "fast-check";
import t from "tap";
import { decodeFleet, decodeWhole } from "./decode.ts";
import { minimalAgent } from "./test-support.ts";

/** Agents of which some are alike, some nearly, and some only to JSON. */
const right = fc.constantFrom<unknown>(
  minimalAgent,
  { ...minimalAgent },
  { ...minimalAgent, startup: "30s" },
  { startup: "30s", ...minimalAgent },
  { ...minimalAgent, health: { http: "http://127.0.0.1:1/" }, egress: ["A.example:443"] },
  { ...minimalAgent, health: { http: "http://127.0.0.1:1/" }, egress: [{ host: "a.example", port: 443 }] },
  { ...minimalAgent, egress: [{ host: "a.example", port: 1, forward: 2000 }] },
  { ...minimalAgent, restart: { backoff: { jitter: -0 } } },
  { ...minimalAgent, startup: undefined },
);
const wrong = fc.constantFrom<unknown>(
  { ...minimalAgent, restart: { backoff: { jitter: Number.NaN } } },
  { ...minimalAgent, restart: { backoff: { jitter: null } } },
  { ...minimalAgent, restart: { within: "1ms" } },
  { ...minimalAgent, startup: () => "30s" },
  { ...minimalAgent, escalate: [undefined] },
  { ...minimalAgent, escalate: [null] },
  { ...minimalAgent, nothing: 1 },
  { ...minimalAgent, environment: { ["__proto__"]: "x" } },
  "agent",
  null,
  [],
);
const agent = fc.oneof({ weight: 12, arbitrary: right }, { weight: 1, arbitrary: wrong });
const host = fc.record(
  {
    system: fc.constantFrom("x86_64-linux", "aarch64-linux"),
    agents: fc.dictionary(fc.constantFrom("aa", "bb", "cc"), agent),
    egress: fc.constantFrom<unknown>({ allow: ["cache.example:443"] }, { mode: "maybe" }),
  },
  { requiredKeys: ["agents", "system"] },
);
const fleet = fc.record(
  {
    hosts: fc.dictionary(
      fc.constantFrom("h1", "h2", "h3"),
      fc.oneof({ weight: 12, arbitrary: host }, { weight: 1, arbitrary: fc.constant(1) }),
    ),
    egress: fc.constant({}),
  },
  { requiredKeys: ["hosts"] },
);

t.test("agents that are alike are decoded once, and the result is that of decoding each", async (t) => {
  let valid = 0;
  fc.assert(
    fc.property(fc.oneof({ weight: 4, arbitrary: fleet }, { weight: 1, arbitrary: fc.object() }), (input) => {
      const decoded = decodeFleet(input);
      valid += Number(decoded.ok);
      t.same(decoded, decodeWhole(input));
    }),
    { numRuns: 300 },
  );
  t.ok(valid > 0);
});

t.test("agents that are alike are one object", async (t) => {
  const decoded = decodeFleet({
    hosts: Object.fromEntries(
      ["h1", "h2"].map((name) => [name, { system: "x86_64-linux", agents: { aa: { ...minimalAgent } } }]),
    ),
  });
  const hosts = decoded.ok ? decoded.fleet.hosts : {};
  t.ok(hosts.h1?.agents.aa !== undefined && hosts.h1.agents.aa === hosts.h2?.agents.aa);
});
