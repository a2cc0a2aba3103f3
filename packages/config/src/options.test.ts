import t from "tap";
import { decodeFleet } from "./decode.ts";
import { anyName, describeOptions } from "./options.ts";
import { fleetWith } from "./test-support.ts";

const rows = describeOptions();

t.test("every option says what it is for and what is allowed", async (t) => {
  t.ok(rows.length > 30);
  for (const row of rows) {
    t.ok(row.description.endsWith("."), row.path.join("."));
    t.not(row.expected, "", row.path.join("."));
  }
});

t.test("an option is required exactly when a fleet without it is refused", async (t) => {
  t.same(
    rows.filter((row) => row.required).map((row) => row.path.join(".")),
    [
      "hosts",
      `hosts.${anyName}.system`,
      `hosts.${anyName}.agents`,
      `hosts.${anyName}.agents.${anyName}.command`,
      `hosts.${anyName}.agents.${anyName}.health.http`,
      `hosts.${anyName}.agents.${anyName}.heartbeat.through`,
      `hosts.${anyName}.agents.${anyName}.progress.within`,
      `hosts.${anyName}.agents.${anyName}.resources.leak.growth`,
      `hosts.${anyName}.routines.${anyName}.command`,
      ...["path", "scheme", "secrets"].map((key) => `hosts.${anyName}.routines.${anyName}.webhook.${key}`),
      `hosts.${anyName}.alerts.sinks.${anyName}.kind`,
      ...["from", "to"].map((key) => `hosts.${anyName}.alerts.quiet.${key}`),
      ...["credential", "url"].map((key) => `hosts.${anyName}.alerts.deadMansSwitch.${key}`),
    ],
  );
});

t.test("every default and every example of an agent's option is itself allowed", async (t) => {
  const prefix = `hosts.${anyName}.agents.${anyName}.`;
  for (const row of rows) {
    const path = row.path.join(".");
    if (!path.startsWith(prefix)) continue;
    for (const value of [row.default, row.example]) {
      if (value === undefined) continue;
      const agent = nest(path.slice(prefix.length).split("."), value);
      const complete = {
        ...agent,
        ...(path.includes(".health.") ? { health: { http: "http://h/", ...agent.health } } : {}),
        ...(path.includes(".leak.")
          ? { resources: { leak: { growth: "1MiB", ...agent.resources?.leak } } }
          : {}),
        ...(path.includes(".heartbeat.") ? { heartbeat: { through: "http", ...agent.heartbeat } } : {}),
      };
      t.equal(decodeFleet(fleetWith(complete)).ok, true, `${path} = ${JSON.stringify(value)}`);
    }
  }
});

// biome-ignore lint/suspicious/noExplicitAny: whatever an option holds
function nest([first = "", ...rest]: readonly string[], value: unknown): Record<string, any> {
  return { [first]: (rest.length === 0 ? value : nest(rest, value)) as object };
}
