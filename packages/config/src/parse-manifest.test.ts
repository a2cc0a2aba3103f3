import { isDarumaError } from "@daruma/base";
import { Ajv2020 } from "ajv/dist/2020.js";
import t from "tap";
import type { EgressManifest } from "./egress/rule.ts";
import type { HostManifest } from "./manifest.ts";
import { parseManifest } from "./parse-manifest.ts";
import { jsonSchemas } from "./schemas.ts";
import { decodedAgent, decodedRoutine } from "./test-support.ts";

const {
  command: _,
  environment: __,
  fallback: _____,
  ...settings
} = decodedAgent({
  health: { http: "http://127.0.0.1:1/", expect: { contains: "ready" } },
  heartbeat: { through: "http" },
});

const {
  command: ___,
  environment: ____,
  ...routineSettings
} = decodedRoutine({
  schedule: "0 2 * * *",
  overlap: "queue",
  timeout: "1h",
  on: { files: ["/srv/inbox"], ledger: [{ action: "generation.*" }] },
  webhook: { path: "/hooks/x", scheme: "github", secrets: ["/run/secrets/x"] },
});

const egress: EgressManifest = {
  port: 20480,
  mode: "observe",
  allow: [
    {
      host: "*.example.com",
      port: 443,
      protocol: "tls",
      private: false,
      forward: null,
      scope: "agent",
    },
  ],
  deny: [{ cidr: "203.0.113.0/24", port: null, scope: "fleet" }],
  limits: { connections: 8, idleMs: 1000, bytes: 1024 },
};

const manifest: HostManifest = {
  schemaVersion: 1,
  host: "etl-01",
  system: "x86_64-linux",
  hostDigest: "aa",
  watchdog: { probationMs: 600_000, rollbackBudget: 1 },
  routines: {
    nightly: {
      ...routineSettings,
      digest: "cc",
      command: ["/nix/store/x/bin/node", "etl.js"],
      environment: { B: "1" },
      egress,
    },
  },
  agents: {
    enricher: {
      ...settings,
      digest: "bb",
      command: ["/nix/store/x/bin/node", "main.js"],
      environment: { A: "" },
      fallback: { digest: "dd", command: ["/nix/store/x/bin/node", "main.js"], environment: { SAFE: "1" } },
      egress,
    },
  },
};

const fitsSchema = new Ajv2020({ strict: false }).compile(jsonSchemas().host);

function codeOf(text: string): string {
  try {
    parseManifest(text, "/etc/daruma/host.json");
    return "";
  } catch (error) {
    if (!isDarumaError(error)) throw error;
    t.equal(error.where, "/etc/daruma/host.json");
    return error.code;
  }
}

t.test("a manifest is read as it was written", async (t) => {
  t.same(parseManifest(JSON.stringify(manifest)), manifest);
  t.ok(fitsSchema(manifest), "the JSON Schema says the same");
});

t.test("fields that a later release added are left out", async (t) => {
  const later = { ...manifest, added: 1, watchdog: { ...manifest.watchdog, added: 1 } };
  t.same(parseManifest(JSON.stringify(later)), manifest);
});

t.test("what an earlier release wrote says nothing about egress: everything is allowed", async (t) => {
  const earlier = JSON.parse(JSON.stringify(manifest));
  delete earlier.agents.enricher.egress;
  t.equal(parseManifest(JSON.stringify(earlier)).agents.enricher?.egress, null);
});

t.test("what an earlier release wrote has no routines", async (t) => {
  const { routines: _, ...earlier } = manifest;
  t.same(parseManifest(JSON.stringify(earlier)).routines, {});
});

t.test(
  "what an earlier release wrote says nothing about heartbeats and bodies: nobody looks for any",
  async (t) => {
    const earlier = JSON.parse(JSON.stringify(manifest));
    delete earlier.agents.enricher.heartbeat;
    delete earlier.agents.enricher.health.body;
    const { heartbeat, health } = parseManifest(JSON.stringify(earlier)).agents.enricher ?? {};
    t.same([heartbeat, health?.body], [null, null]);
  },
);

t.test("what is left out where nothing is said is read where something is", async (t) => {
  const more = JSON.parse(JSON.stringify(manifest));
  more.watchdog.restartsAtOnce = 3;
  more.agents.enricher.restart = {
    ...more.agents.enricher.restart,
    exits: { "3": "temporary" },
    backoff: { ...more.agents.enricher.restart.backoff, kind: "fixed" },
  };
  t.same(parseManifest(JSON.stringify(more)), more);
  more.agents.enricher.restart.exits = { "3": "luck" };
  t.equal(codeOf(JSON.stringify(more)), "CONFIG_E_MANIFEST");
});

t.test("another schema version is refused by name", async (t) => {
  t.equal(codeOf(JSON.stringify({ ...manifest, schemaVersion: 2 })), "CONFIG_E_MANIFEST_VERSION");
  t.equal(codeOf(JSON.stringify({ schemaVersion: 0 })), "CONFIG_E_MANIFEST_VERSION");
  t.equal(codeOf(JSON.stringify({ ...manifest, schemaVersion: "1" })), "CONFIG_E_MANIFEST");
});

t.test("text that is no manifest is refused", async (t) => {
  for (const text of ["", "null", "[]", "1", "{}", JSON.stringify(manifest).slice(0, -1), "\u0000"]) {
    t.equal(codeOf(text), "CONFIG_E_MANIFEST", JSON.stringify(text));
  }
});

t.test("a manifest without any one of its fields is refused, and so is one of another type", async (t) => {
  for (const path of leaves(manifest)) {
    for (const [what, value] of [["missing"], ["an object", { wrong: true }]] as const) {
      const text = changed(path, value);
      t.equal(codeOf(text), "CONFIG_E_MANIFEST", `${path.join(".")} ${what}`);
      t.notOk(fitsSchema(JSON.parse(text)), `the JSON Schema says the same: ${path.join(".")} ${what}`);
    }
  }
});

t.test("values that watchd could not act on are refused", async (t) => {
  const agent = ["agents", "enricher"];
  const wrong: readonly (readonly [readonly string[], unknown])[] = [
    [[...agent, "command"], []],
    [[...agent, "command"], ["node"]],
    [
      [...agent, "command"],
      ["/bin/node", "a\u0000b"],
    ],
    [[...agent, "startupMs"], -1],
    [[...agent, "startupMs"], 0.5],
    [[...agent, "restart", "attempts"], 0],
    [[...agent, "restart", "backoff", "factor"], 0.5],
    [[...agent, "restart", "when"], "sometimes"],
    [[...agent, "stop", "signal"], "SIGKILL"],
    [[...agent, "credentials"], { A: "relative" }],
  ];
  for (const [path, value] of wrong) {
    t.equal(codeOf(changed(path, value)), "CONFIG_E_MANIFEST", path.join("."));
    // No JSON Schema can say that a text is without NUL.
    if (!JSON.stringify(value).includes("u0000")) t.notOk(fitsSchema(JSON.parse(changed(path, value))));
  }
});

/** Paths of every value that is not itself made of named fields. */
function leaves(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  const free = ["environment", "credentials"].includes(path.at(-1) ?? "");
  if (free || typeof value !== "object" || value === null || Array.isArray(value)) return free ? [] : [path];
  return Object.entries(value).flatMap(([key, member]) => leaves(member, [...path, key]));
}

/** The manifest's text with one value replaced, or left out. */
function changed(path: readonly string[], value: unknown): string {
  const document: unknown = structuredClone(manifest);
  let parent = document as Record<string, unknown>;
  for (const key of path.slice(0, -1)) parent = parent[key] as Record<string, unknown>;
  parent[path.at(-1) ?? ""] = value;
  return JSON.stringify(document);
}
