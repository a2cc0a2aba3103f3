import { readFileSync } from "node:fs";
import { character } from "@daruma/base/test-support";
import fc from "fast-check";
import t from "tap";
import type { City } from "../etl/contract.ts";
import { toolkit } from "../etl/toolkit.ts";
import { transform } from "../transform-v1/transform.ts";
import { transform as brokenTransform } from "../transform-v2/transform.ts";
import { wholeDataset } from "./support.ts";

const lyon = { name: "Lyon", lat: "45.74846", lng: "4.84671", country: "FR", admin1: "84", admin2: "69" };

function cityOf(record: unknown): City {
  const outcome = transform(record, toolkit);
  if ("reject" in outcome) throw new Error(`rejected: ${outcome.reject}`);
  return outcome.city;
}

function reasonFor(change: object): string | null {
  const outcome = transform({ ...lyon, ...change }, toolkit);
  return "reject" in outcome ? outcome.reject : null;
}

t.test("a record becomes a city with numbers and a geohash", async (t) => {
  t.same(cityOf(lyon), {
    name: "Lyon",
    qualifier: null,
    searchName: "lyon",
    country: "FR",
    admin1: "84",
    admin2: "69",
    latitude: 45.74846,
    longitude: 4.84671,
    geohash: "u05kq2320",
  });
});

t.test(
  "a name is composed, its spaces are single, and a trailing qualifier is a field of its own",
  async (t) => {
    t.equal(cityOf({ ...lyon, name: " Querum -  Wabenkamp " }).name, "Querum - Wabenkamp");
    t.equal(cityOf({ ...lyon, name: "Te\u0301touan" }).name, "T\u00e9touan");
    t.match(cityOf({ ...lyon, name: "Halle (Saale)" }), {
      name: "Halle",
      qualifier: "Saale",
      searchName: "halle saale",
    });
    t.match(cityOf({ ...lyon, name: "Cristeros [Fraccionamiento]" }), {
      name: "Cristeros",
      qualifier: "Fraccionamiento",
    });
    t.match(cityOf({ ...lyon, name: "Zone (Zona) E" }), { name: "Zone (Zona) E", qualifier: null });
    t.match(cityOf({ ...lyon, name: "(Saale)" }), { name: "(Saale)", qualifier: null });
  },
);

t.test("an unknown division is null", async (t) => {
  t.match(cityOf({ ...lyon, admin1: "00", admin2: "" }), { admin1: null, admin2: null });
});

t.test("coordinates are rounded to five decimals and never minus zero", async (t) => {
  t.match(cityOf({ ...lyon, lat: "45.748462", lng: "-4.846716" }), {
    latitude: 45.74846,
    longitude: -4.84672,
  });
  t.ok(Object.is(cityOf({ ...lyon, lng: "-0.000001" }).longitude, 0));
});

t.test("each kind of bad record is rejected for its own reason", async (t) => {
  for (const record of [null, 7, "Lyon", [], {}, { ...lyon, lat: 45.7 }, { ...lyon, name: undefined }]) {
    t.same(transform(record, toolkit), { reject: "malformed" });
  }
  t.equal(reasonFor({ name: "  " }), "name-empty");
  t.equal(reasonFor({ name: "…" }), "name-empty");
  t.equal(reasonFor({ name: "Mar?S?" }), "name-damaged");
  t.equal(reasonFor({ name: "Lyon\u0007" }), "name-damaged");
  t.equal(reasonFor({ name: "Ly\uFFFDn" }), "name-damaged");
  t.equal(reasonFor({ name: "Mil\u0435h" }), "mixed-scripts");
  t.equal(reasonFor({ name: "Buffalo (historical)" }), "historical");
  t.equal(reasonFor({ country: "fr" }), "country");
  for (const lat of ["", "abc", "90.1", "-91", "1e1", "0x10", " 45", "45."])
    t.equal(reasonFor({ lat }), "coordinates");
  t.equal(reasonFor({ lng: "180.00001" }), "coordinates");
  t.equal(reasonFor({ lat: "0", lng: "-0.0" }), "coordinates");
});

t.test("names in one script other than Latin, and letters that belong to no script, are kept", async (t) => {
  t.equal(reasonFor({ name: "Октябрьский" }), null);
  t.equal(reasonFor({ name: "Kaka\u02bbako" }), null);
});

const anyRecord = fc.oneof(
  fc.jsonValue(),
  fc.record({
    name: fc.string({ unit: character }),
    lat: fc.oneof(fc.string(), fc.double({ min: -100, max: 100 }).map(String)),
    lng: fc.oneof(fc.string(), fc.double({ min: -200, max: 200 }).map(String)),
    country: fc.oneof(fc.string(), fc.constantFrom("FR", "XK")),
    admin1: fc.string(),
    admin2: fc.string(),
  }),
);

t.test("any record at all becomes a sound city or a reject, and the same one each time", async () => {
  fc.assert(
    fc.property(anyRecord, (record) => {
      const outcome = transform(record, toolkit);
      const again = transform(structuredClone(record), toolkit);
      if (JSON.stringify(outcome) !== JSON.stringify(again)) return false;
      return "reject" in outcome ? outcome.reject !== "" : isSound(outcome.city);
    }),
    { numRuns: 1000 },
  );
});

t.test("a name that has been transformed stays as it is", async () => {
  const name = fc.array(fc.constantFrom("a", "é", "e\u0301", " ", "\u00a0", "-", "(", ")", "Æ", "'"), {
    minLength: 1,
  });
  fc.assert(
    fc.property(
      name.map((parts) => parts.join("")),
      (raw) => {
        const first = transform({ ...lyon, name: raw }, toolkit);
        if ("reject" in first || first.city.qualifier !== null) return true;
        return cityOf({ ...lyon, name: first.city.name }).name === first.city.name;
      },
    ),
    { numRuns: 1000 },
  );
});

t.test("hardly a real record is rejected", async (t) => {
  const records: unknown[] = JSON.parse(readFileSync(wholeDataset, "utf8"));
  t.ok(records.length >= 10_000, "the data set is as large as the demo promises");
  const outcomes = records.map((record) => transform(record, toolkit));
  const rejects = outcomes.filter((outcome) => "reject" in outcome);
  t.ok(
    rejects.length > 0 && rejects.length < records.length / 1000,
    `${rejects.length} of ${records.length}`,
  );
  t.ok(outcomes.every((outcome) => "reject" in outcome || isSound(outcome.city)));
});

t.test("version 2 throws at a real record, as the demo needs it to", async (t) => {
  t.throws(() => brokenTransform(lyon, toolkit), TypeError);
});

function isSound(city: City): boolean {
  return (
    city.name === city.name.normalize("NFC").trim() &&
    city.name !== "" &&
    city.name.isWellFormed() &&
    !/\s\s/u.test(city.name) &&
    city.searchName !== "" &&
    /^[A-Z]{2}$/.test(city.country) &&
    city.admin1 !== "" &&
    city.admin2 !== "" &&
    Math.abs(city.latitude) <= 90 &&
    Math.abs(city.longitude) <= 180 &&
    city.geohash.length === 9
  );
}
