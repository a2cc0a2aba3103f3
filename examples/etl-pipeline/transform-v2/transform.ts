import type { Transform } from "../etl/contract.ts";

/** A place as the GeoNames web service answers it. */
interface Place {
  readonly name: string;
  readonly lat: string;
  readonly lng: string;
  readonly countryCode: string;
  readonly adminCode1: string;
  readonly adminCode2: string;
}

/**
 * Version 2 of the transform: shorter, and broken on purpose in the way real ones are. It takes the record's type from
 * the GeoNames web service, where the country is `countryCode`; the data set calls it `country`. The cast hides that
 * from the compiler, so the first record of the first batch throws a TypeError and the agent ends with exit code 1.
 */
export const transform: Transform = (record, toolkit) => {
  const place = record as Place;
  const country = place.countryCode.toUpperCase();
  const name = place.name.normalize("NFC").trim();
  const latitude = Number(place.lat);
  const longitude = Number(place.lng);
  return {
    city: {
      name,
      qualifier: null,
      searchName: toolkit.searchName(name),
      country,
      admin1: place.adminCode1 || null,
      admin2: place.adminCode2 || null,
      latitude,
      longitude,
      geohash: toolkit.geohash(latitude, longitude, 9),
    },
  };
};
