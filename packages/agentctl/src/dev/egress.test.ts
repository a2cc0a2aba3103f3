import { metricNames } from "@daruma/metrics";
import t from "tap";
import { documents } from "../test-support/agentctl.ts";
import { createFleet } from "../test-support/fleet.ts";

t.test("dev runs the proxy, enforces nothing, says so, and turns what it saw into a list", async (t) => {
  const fleet = await createFleet(t);
  await fleet.writeConfig({ agent: 'egress: ["api.example.com:443"],' });
  // Through Node's own fetch, which finds the proxy in the environment. The name exists nowhere (RFC 6761).
  await fleet.writeAgent("one", 'fetch("http://observed.invalid:8080/").catch(() => undefined);');
  const dev = fleet.dev();
  const { entry } = await dev.saw("egress.would-deny");
  t.match(entry, {
    actor: "egressd",
    subject: "web",
    details: { target: "observed.invalid:8080", via: /connect|http/ },
  });
  t.match(
    dev.events().find(({ event }) => event === "egress"),
    { enforced: false, agents: ["web"] },
  );
  t.match(dev.stderr(), /NOTHING IS ENFORCED.* web: /);

  const log = await fleet.runHere("egress", "log", "--denied", "--json");
  t.match(documents(log.stdout), [{ action: "egress.would-deny", subject: "web" }]);
  t.match((await fleet.runHere("egress", "log", "--agent", "nobody")).stdout, /^$/);
  const suggestion = await fleet.runHere("egress", "suggest", "--json");
  t.match(documents(suggestion.stdout), [{ agents: { web: [{ entry: "observed.invalid:8080" }] } }]);
  t.match(
    (await fleet.runHere("egress", "suggest")).stdout,
    /^web:\n {2}egress: \[\n {4}"observed\.invalid:8080", /,
  );

  const metrics = (await fleet.runHere("metrics")).stdout;
  t.same(
    [...metrics.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name),
    metricNames,
    "the table, and no more",
  );
  t.match(
    metrics,
    /^daruma_up\{daemon="watchd"\} 1\ndaruma_up\{daemon="ledgerd"\} 1\ndaruma_up\{daemon="egressd"\} 1$/m,
  );
  t.match(metrics, /^daruma_agent_memory_bytes\{agent="web"\} [1-9]\d{6,}$/m);
  t.match(metrics, /^daruma_agent_open_files\{agent="web"\} [1-9]\d*$/m);
  t.match(metrics, /^daruma_egress_connections_total\{agent="web",result="denied"\} [1-9]\d*$/m);
  t.match(metrics, /^daruma_ledger_sync_duration_seconds_count [1-9]\d*$/m);
  const document = documents((await fleet.runHere("metrics", "--json")).stdout);
  t.match(document, [{ schemaVersion: 1, metrics: metricNames.map((name) => ({ name })) }]);

  // A list that has it: nothing is told of any longer.
  await fleet.writeConfig({ agent: 'egress: ["observed.invalid:8080"],' });
  await dev.saw("egress.rules", ({ entry }) => entry.details.agents.length === 1 && entry.seq > 5);
  dev.child.kill("SIGINT");
  t.equal((await dev.ended).code, 130);
});
