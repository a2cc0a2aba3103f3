import type { City, Outcome, Toolkit, Transform } from "../etl/contract.ts";

interface Fields {
  readonly name: string;
  readonly lat: string;
  readonly lng: string;
  readonly country: string;
  readonly admin1: string;
  readonly admin2: string;
}

/** Version 1 of the transform. It trusts nothing about a record until it has looked. */
export const transform: Transform = (record, toolkit) => {
  const fields = fieldsOf(record);
  if (fields === null) return { reject: "malformed" };
  const fullName = fields.name.normalize("NFC").replace(/\s+/gu, " ").trim();
  const objection = objectionTo(fullName, toolkit);
  if (objection !== null) return { reject: objection };
  const { name, qualifier } = splitName(fullName);
  if (qualifier?.toLowerCase() === "historical") return { reject: "historical" };
  if (!/^[A-Z]{2}$/.test(fields.country)) return { reject: "country" };
  const latitude = degrees(fields.lat, 90);
  const longitude = degrees(fields.lng, 180);
  if (latitude === null || longitude === null) return { reject: "coordinates" };
  // Nobody lives at 0, 0; it is what a missing position becomes.
  if (latitude === 0 && longitude === 0) return { reject: "coordinates" };
  const city: City = {
    name,
    qualifier,
    searchName: toolkit.searchName(fullName),
    country: fields.country,
    admin1: division(fields.admin1),
    admin2: division(fields.admin2),
    latitude,
    longitude,
    geohash: toolkit.geohash(latitude, longitude, 9),
  };
  return { city } satisfies Outcome;
};

function fieldsOf(record: unknown): Fields | null {
  if (typeof record !== "object" || record === null) return null;
  const { name, lat, lng, country, admin1, admin2 } = record as Record<keyof Fields, unknown>;
  if (typeof name !== "string" || typeof lat !== "string" || typeof lng !== "string") return null;
  if (typeof country !== "string" || typeof admin1 !== "string" || typeof admin2 !== "string") return null;
  return { name, lat, lng, country, admin1, admin2 };
}

const latin = /\p{Script=Latin}/u;
const otherThanLatin = /[\p{L}--[\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]]/v;

function objectionTo(name: string, toolkit: Toolkit): string | null {
  if (toolkit.searchName(name) === "") return "name-empty";
  // A question mark stands where an earlier conversion lost a letter: "Mar?S?".
  if (/[?\uFFFD\p{Cc}\p{Cs}]/u.test(name)) return "name-damaged";
  // A Cyrillic letter that looks Latin cannot be found by typing it, and two names in one field are not a name.
  if (latin.test(name) && otherThanLatin.test(name)) return "mixed-scripts";
  return null;
}

/** "Halle (Saale)" is Halle, qualified; "Zone (Zona) E" is a name. */
function splitName(fullName: string): { name: string; qualifier: string | null } {
  const match = /^(?<name>.*[^\s([])\s*[([](?<qualifier>[^()[\]]+)[)\]]$/u.exec(fullName);
  const name = match?.groups?.name;
  const qualifier = match?.groups?.qualifier?.trim();
  return name && qualifier ? { name, qualifier } : { name: fullName, qualifier: null };
}

/** @returns Null for what is not a plain decimal number from -limit to limit. */
function degrees(text: string, limit: number): number | null {
  if (!/^-?\d{1,3}(\.\d+)?$/.test(text)) return null;
  const value = Number(text);
  if (Math.abs(value) > limit) return null;
  // Adding zero turns -0 into 0.
  return Math.round(value * 1e5) / 1e5 + 0;
}

/** GeoNames writes an unknown division as "" or "00". */
function division(code: string): string | null {
  const trimmed = code.trim();
  return trimmed === "" || trimmed === "00" ? null : trimmed;
}
