import fc from "fast-check";
import t from "tap";
import { faultsOfDetails } from "./action-faults.ts";
import { isLabel } from "./entry.ts";
import { faultOfRecord, parseRecordSubject, recordSubject } from "./record.ts";

t.test("a record that has no fault has a subject that leads back to it", async (t) => {
  const type = fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,70}$/);
  const id = fc.oneof(fc.string({ unit: "grapheme", maxLength: 300 }), fc.constantFrom("s3://b/k", ":", ""));
  fc.assert(
    fc.property(type, id, (type, id) => {
      const record = { type, id };
      const subject = recordSubject(record);
      if (faultOfRecord(record) === null) {
        const back = parseRecordSubject(subject);
        return isLabel(subject) && back?.type === type && back.id === id;
      }
      return parseRecordSubject(subject) === null;
    }),
    { numRuns: 200 },
  );
  t.pass();
});

t.test("a record fits the vocabulary", async (t) => {
  for (const action of ["data.consume", "data.produce"]) {
    t.same(faultsOfDetails(action, { type: "table", id: "orders", version: "7" }), []);
    t.same(faultsOfDetails(action, { id: "orders", version: 7 }), [
      "type is missing",
      "version is not a text",
    ]);
  }
});

t.test("what is no record is named", async (t) => {
  const good = { type: "table", id: "orders" };
  t.equal(faultOfRecord({ ...good, version: "7", sha256: "ab".repeat(32) }), null);
  for (const bad of [
    { type: "" },
    { type: "a:b" },
    { type: "7up" },
    { type: 5 },
    { type: "run" },
    { type: "generation" },
    { id: "" },
    { id: "a\nb" },
    { id: 5 },
    { id: "x".repeat(251) },
    { version: "" },
    { version: 5 },
    { sha256: "AB".repeat(32) },
    { sha256: "ab" },
    { sha256: null },
  ]) {
    t.type(faultOfRecord({ ...good, ...bad }), "string", JSON.stringify(bad));
  }
  for (const subject of ["enricher", "/nix/store/x", ":x", "a:", "run:x"]) {
    t.equal(parseRecordSubject(subject), null, subject);
  }
});
