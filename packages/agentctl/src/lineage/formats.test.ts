import t from "tap";
import { eventsOfDrafts, memorySource } from "../test-support/lineage.ts";
import { openLineageEvents } from "./openlineage.ts";
import { provDocument } from "./prov.ts";
import { trace } from "./trace.ts";
import { nameUuid, urlNamespace } from "./uuid.ts";

const draft = (kind: string, name: string, more: object) => {
  const [subject = "", version] = name.split("@");
  const [type = "", id = ""] = subject.split(":");
  return {
    action: `data.${kind}`,
    subject,
    run: "run-1",
    details: { type, id, agent: "etl's", ...(version === undefined ? {} : { version }), ...more },
  };
};

async function example() {
  const events = eventsOfDrafts([
    draft("consume", "file:a (1).csv@e'1", {}),
    draft("consume", "file:a (1).csv@e'1", {}),
    draft("produce", "table:t", { sha256: "aa".repeat(32) }),
    draft("consume", "table:t", { activity: "step" }),
    draft("produce", "table:u@2", { activity: "step" }),
    draft("consume", "file:later", { activity: "step" }),
    draft("produce", "table:v", { activity: "step" }),
  ]);
  const root = { kind: "record", subject: "table:v", version: undefined } as const;
  const graph = await trace(memorySource(events), root, { direction: "up", depth: 9, limit: 99 });
  if (graph === null) throw new Error("no graph");
  return graph;
}

t.test("names have the UUIDs of RFC 9562", async (t) => {
  // Appendix A.4 of RFC 9562.
  t.equal(
    nameUuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com"),
    "2ed6657d-e927-568b-95e1-2665a8aea6a2",
  );
  t.not(nameUuid(urlNamespace, "a"), nameUuid(urlNamespace, "b"));
});

t.test("OpenLineage events have all that the specification asks for", async (t) => {
  const end = { eventType: "FAIL", time: "2026-11-28T01:00:00.000Z" } as const;
  const events = openLineageEvents(await example(), "host ü", new Map([["run-1", end]]));
  for (const event of events) {
    t.match(event.eventType, /^(START|RUNNING|COMPLETE|ABORT|FAIL|OTHER)$/);
    t.match(event.eventTime, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    t.match(event.run.runId, /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    t.match(event.schemaURL, "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent");
    t.same(event.job, { namespace: "daruma://host%20%C3%BC", name: "etl's" });
    for (const { facets } of [event.run, ...event.inputs, ...event.outputs]) {
      for (const facet of Object.values(facets))
        t.match(facet, { _producer: /^urn:/, _schemaURL: /^https:/ });
    }
    t.doesNotThrow(() => new URL(event.producer));
  }
  const of = (type: string) => events.filter(({ eventType }) => eventType === type);
  t.equal(of("START").length, 2);
  // Only the run as a whole is known to have ended.
  t.equal(of("FAIL").length, 1);
  const [whole, step] = of("RUNNING");
  t.match(whole?.inputs, [
    {
      namespace: "daruma:file",
      name: "a (1).csv",
      facets: { version: { datasetVersion: "e'1" }, daruma_record: { origin: "source", entries: [1, 2] } },
    },
  ]);
  t.match(whole?.outputs, [
    { namespace: "daruma:table", name: "t", facets: { daruma_record: { entries: [3] } } },
  ]);
  t.match(step?.run.facets.parent, { run: { runId: whole?.run.runId }, job: whole?.job });
  t.same(whole?.run.facets.parent, undefined);
  t.same(
    events.map(({ eventTime }) => eventTime),
    events.map(({ eventTime }) => eventTime).sort(),
  );
});

t.test("PROV names what was used, made and derived, and by whom", async (t) => {
  const document = provDocument(await example(), "host ü");
  t.same(document.prefix, { daruma: "daruma://host%20%C3%BC/" });
  const names = [document.entity, document.activity, document.agent].flatMap((all) => Object.keys(all));
  for (const name of names) t.match(name, /^daruma:[\w/%-]+$/);
  t.ok(names.includes("daruma:record/file/a%20%281%29%2Ecsv/e%271/outside"));
  t.ok(names.includes("daruma:agent/etl%27s"));
  t.same(Object.keys(document.used), ["_:use-1", "_:use-2", "_:use-4", "_:use-6"]);
  t.same(Object.keys(document.wasGeneratedBy), ["_:gen-3", "_:gen-7"]);
  t.same(Object.keys(document.wasDerivedFrom), ["_:der-3-1", "_:der-3-2", "_:der-7-4", "_:der-7-6"]);
  t.equal(Object.keys(document.wasAssociatedWith).length, 2);
  const known = new Set(names);
  for (const statements of [
    document.used,
    document.wasGeneratedBy,
    document.wasDerivedFrom,
    document.wasAssociatedWith,
  ]) {
    for (const statement of Object.values(statements)) {
      for (const end of ["activity", "entity", "agent", "generatedEntity", "usedEntity"]) {
        const name = statement[`prov:${end}`];
        if (name !== undefined) t.ok(known.has(String(name)), String(name));
      }
    }
  }
});
