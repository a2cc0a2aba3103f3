import { decodeFleet, nixpkg } from "@daruma/config";
import t from "tap";
import { lintFleet } from "./lints.ts";

const quiet = {
  command: [nixpkg("nodejs_24", "bin/node")],
  health: { http: "http://127.0.0.1:8080/health" },
  egress: ["api.example.com:443"],
};

/** What is found in a host of one agent, as `CODE path below the host`. */
function found(agent: object, host: object = {}): string[] {
  const agents = { one: { ...quiet, ...agent } };
  const decoded = decodeFleet({ hosts: { web: { system: "x86_64-linux", agents, ...host } } });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  return lintFleet(decoded.fleet).map(({ code, path }) => `${code} ${path.replace("hosts.web.", "")}`);
}

t.test("a fleet that does everything right has no findings", async (t) => {
  t.same(found({}), []);
  t.same(
    found({ environment: { PORT: "8080", DB_PORT: "5432" } }),
    [],
    "its own port, and one of somebody else",
  );
});

t.test("each thing that bites is found", async (t) => {
  const { health, egress, ...bare } = quiet;
  t.same(found({}, { agents: { one: { ...bare, egress } } }), ["LINT_E_NO_HEALTH agents.one"]);
  t.same(found({}, { agents: { one: { ...bare, egress, heartbeat: { through: "http" } } } }), []);
  t.same(found({}, { agents: { one: { ...bare, health } } }), ["LINT_E_EGRESS_OPEN agents.one"]);
  t.same(found({}, { egress: { mode: "observe" } }), ["LINT_E_EGRESS_OBSERVED egress.mode"]);
  t.same(found({ egress: ["*.s3.amazonaws.com:443", "*.example.com:443"] }), [
    "LINT_E_EGRESS_SHARED agents.one.egress[0]",
  ]);
  t.same(found({ stop: { grace: "11m" } }), ["LINT_E_GRACE agents.one.stop.grace"]);
  t.same(found({ stop: { grace: "10m" } }), []);
  t.same(found({}, { watchdog: { rollbackBudget: 0 } }), ["LINT_E_NO_KNOWN_GOOD agents.one.escalate"]);
  t.same(found({ escalate: ["alert"] }, { watchdog: { rollbackBudget: 0 } }), []);
  t.same(found({ required: false }), ["LINT_E_NO_KNOWN_GOOD agents.one.escalate"]);
});

t.test("a port that two want is found once, at the later one", async (t) => {
  const two = (more: object) => ({ agents: { one: quiet, two: { ...quiet, ...more } } });
  const other = { health: { http: "http://127.0.0.1:8081/health" } };
  t.same(found({}, two(other)), []);
  t.same(found({}, two({ health: { http: "http://localhost:8080/two" } })), [
    "LINT_E_PORT_CLASH agents.two.health.http",
  ]);
  t.same(found({}, two({ ...other, environment: { HTTP_PORT: "8080" } })), [
    "LINT_E_PORT_CLASH agents.two.environment.HTTP_PORT",
  ]);
  const forward = [{ host: "db.example.com", port: 5432, protocol: "postgres", forward: 8080 }];
  t.same(found({ egress: forward }), ["LINT_E_PORT_CLASH agents.one.egress[0].forward"]);
  t.same(found({}, two({ health: { http: "http://10.0.0.1:8080/two" } })), [], "on another machine");
});

t.test("secrets in plain text are found by their form and by their name, and not repeated", async (t) => {
  const secrets = {
    A: `sk-${"a".repeat(20)}`,
    B: "postgres://me:pass@db/x",
    DB_PASSWORD: "hunter2",
    API_KEY: "abcdef",
  };
  t.same(
    found({ environment: secrets }).sort(),
    Object.keys(secrets)
      .map((name) => `LINT_E_PLAIN_SECRET agents.one.environment.${name}`)
      .sort(),
  );
  t.same(found({ command: [...quiet.command, "--api-key=abcd", "--token-file=x"] }), [
    "LINT_E_PLAIN_SECRET agents.one.command[1]",
  ]);
  const decoded = decodeFleet({
    hosts: { web: { system: "x86_64-linux", agents: { one: { ...quiet, environment: secrets } } } },
  });
  t.notMatch(JSON.stringify(decoded.ok && lintFleet(decoded.fleet)), /aaaa|hunter2|abcdef|pass@/);
  const routines = { nightly: { command: ["/x"], environment: { API_KEY: "abcdef" } } };
  t.same(found({}, { routines }), [
    "LINT_E_PLAIN_SECRET routines.nightly.environment.API_KEY",
    "LINT_E_EGRESS_OPEN routines.nightly",
  ]);
  const harmless = {
    TOKEN_FILE: "/run/x",
    API_KEY: "/run/secrets/x",
    TOKENIZER: "cl100k",
    MAX_TOKENS: "4096",
    SECRET_NAME: "prod/api",
    URL: "https://example.com/a",
  };
  t.same(found({ environment: harmless }), []);
});
