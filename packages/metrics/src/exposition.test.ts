import fc from "fast-check";
import t from "tap";
import type { UsageReader } from "./agent-usage.ts";
import { samplesOf } from "./collect.ts";
import { expose } from "./exposition.ts";
import { answers, facts, hostUsage } from "./fixtures/answers.ts";
import { parseExposition, type Read } from "./fixtures/parse.ts";
import { metricsReference } from "./reference.ts";
import { type Metric, metricNames, metricTable } from "./table.ts";

const usage = ({ name }: { readonly name: string }) => ({
  agent: name,
  memoryBytes: 4_096,
  cpuSeconds: 1.5,
  openFiles: 12,
});

const scrape = async (of = answers(), read: UsageReader = usage) =>
  parseExposition(await expose(samplesOf(of, hostUsage, read)));

t.test("what is exported is what the table says, each metric with its labels", async (t) => {
  const found = await scrape();
  t.same([...found.keys()], metricNames);
  for (const [name, { type, labels, help }] of Object.entries<Metric>(metricTable)) {
    const metric = found.get(name);
    t.match(metric, { type, help }, name);
    t.ok((metric?.samples.length ?? 0) > 0, `${name} has a value where there is all that it needs`);
    for (const sample of metric?.samples ?? []) {
      const own = Object.keys(sample.labels).filter((label) => label !== "le");
      t.same(own.sort(), [...labels].sort(), `${name} has its labels`);
      t.ok(
        type === "histogram"
          ? /^_(bucket|sum|count)$/.test(sample.name.slice(name.length))
          : sample.name === name,
      );
    }
  }
});

t.test("names and units are as Prometheus has them", async (t) => {
  for (const [name, { type, unit, help }] of Object.entries<Metric>(metricTable)) {
    t.match(name, /^daruma_[a-z]+(_[a-z]+)*$/);
    t.equal(name.endsWith("_total"), type === "counter", `${name}: counters, and they alone, end in _total`);
    const units = ["seconds", "bytes"].filter((each) => name.replace(/_total$/, "").endsWith(`_${each}`));
    t.same(units, unit === null ? [] : [unit], `${name} ends in its unit`);
    t.match(help, /\.$/);
    t.ok(metricsReference().includes(`\`${name}\``), `${name} is in the reference`);
  }
});

t.test("values are what daemons and kernel said", async (t) => {
  const found = await scrape();
  const value = (name: string, labels: Readonly<Record<string, string>> = {}, suffix = "") =>
    found
      .get(name)
      ?.samples.filter((sample) => sample.name === `${name}${suffix}` && includes(sample, labels))
      .map((sample) => sample.value);
  t.same(value("daruma_up"), [1, 1, 1]);
  t.same(value("daruma_agent_phase", { phase: "healthy" }), [1]);
  t.same(value("daruma_agent_phase", { phase: "backoff" }), [0]);
  t.same(value("daruma_agent_restarts_total", { cause: "crash" }), [2]);
  t.same(value("daruma_agent_recovery_duration_seconds", {}, "_bucket"), [2, 3, 4]);
  t.same(value("daruma_agent_recovery_duration_seconds", {}, "_sum"), [68.5]);
  t.same(value("daruma_agent_recovery_duration_seconds", {}, "_count"), [4]);
  t.same(value("daruma_agent_start_timestamp_seconds"), [1_795_000_000.5]);
  t.same(value("daruma_routine_overlaps_total", { result: "queued" }), [5]);
  t.same(value("daruma_egress_connections_total"), [9, 1, 3]);
  t.same(value("daruma_egress_bytes_total", { direction: "received" }), [20_000]);
  t.same(value("daruma_ledger_unwitnessed_entries"), [20]);
  t.same(value("daruma_ledger_waiting_entries"), [3, 0]);
  t.same(value("daruma_host_load_average"), [0.2, 1.18, 2.12]);
  t.same(value("daruma_host_memory_available_bytes"), [8_192_000_000]);
  t.same(value("daruma_host_network_bytes_total", { device: "eth0" }), [1_000, 2_000]);
  t.same(value("daruma_host_network_bytes_total")?.length, 2, "loopback is no network");
});

t.test("what only watchd can see of an agent is as it has measured it, while the agent runs", async (t) => {
  const group = ({ name }: { readonly name: string }) => ({
    ...usage({ name }),
    memoryBytes: null,
    openFiles: null,
  });
  const measured = { memoryBytes: 8_192, cpuMs: 9_000, openFiles: 34, tasks: 2, ioBytes: 1 };
  const of = (startedAt: number | null) => {
    const { agents, ...rest } = facts();
    return answers({ ...rest, agents: agents.map((agent) => ({ ...agent, startedAt, usage: measured })) });
  };
  const values = (found: Awaited<ReturnType<typeof scrape>>) =>
    ["memory_bytes", "cpu_seconds_total", "open_files"].map(
      (name) => found.get(`daruma_agent_${name}`)?.samples[0]?.value,
    );
  t.same(values(await scrape(of(1), group)), [8_192, 1.5, 34]);
  t.same(values(await scrape(of(null), group)), [undefined, 1.5, undefined]);
});

t.test("who has not answered, or with what is none of ours, is down and leaves the rest alone", async (t) => {
  const gone = { document: null, seconds: 1 };
  const { watchd, ledgerd } = answers();
  const none = await scrape({ watchd: gone, ledgerd, egressd: null });
  t.same(ups(none), { watchd: 0, ledgerd: 1 });
  t.same(none.get("daruma_agent_phase")?.samples, []);
  t.equal(none.get("daruma_ledger_entries_total")?.samples[0]?.value, 100);
  t.equal(none.get("daruma_host_processors")?.samples[0]?.value, 2);
  const strange = { document: JSON.parse('{"schemaVersion":1}'), seconds: 0.1 };
  t.same(ups(await scrape({ watchd, ledgerd: strange, egressd: strange })), {
    watchd: 1,
    ledgerd: 0,
    egressd: 0,
  });
  t.same(ups(await scrape({ watchd: strange, ledgerd: gone, egressd: null })), { watchd: 0, ledgerd: 0 });
});

t.test("whatever a device or a path is called, a reader finds it again", async () => {
  const odd = fc.oneof(
    fc.string({ maxLength: 20, unit: "grapheme" }),
    fc.constantFrom('a"b', "c\\", "d\ne", "\\n", "}"),
  );
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(odd, { maxLength: 5 }), async (names) => {
      const document = facts(names);
      const { watchd, ...rest } = answers(document);
      const found = await scrape({ watchd, ...rest });
      const read = found.get("daruma_agent_held")?.samples.map(({ labels }) => labels.agent);
      return JSON.stringify(read) === JSON.stringify(names);
    }),
  );
});

function ups(found: Awaited<ReturnType<typeof scrape>>): Readonly<Record<string, number>> {
  const samples = found.get("daruma_up")?.samples ?? [];
  return Object.fromEntries(samples.map(({ labels, value }) => [labels.daemon, value]));
}

function includes({ labels }: Read, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}
