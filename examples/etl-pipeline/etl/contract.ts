/**
 * What the pipeline and a transform agree on. A transform is deployed as a source of its own, so at run time it gets
 * everything it needs as arguments; it imports from here types only, which are erased.
 */

/** A city as it is loaded. */
export interface City {
  /** Unicode NFC, single spaces, without a trailing qualifier. */
  readonly name: string;
  /** What the data set says in brackets after the name, such as "Saale" in "Halle (Saale)". */
  readonly qualifier: string | null;
  /** The whole name without case, accents and punctuation, for searching. */
  readonly searchName: string;
  /** ISO 3166-1 alpha-2, or XK as GeoNames has it. */
  readonly country: string;
  /** GeoNames codes of the first and second administrative division. */
  readonly admin1: string | null;
  readonly admin2: string | null;
  /** Degrees north, -90 to 90, five decimals (about one metre). */
  readonly latitude: number;
  /** Degrees east, -180 to 180, five decimals. */
  readonly longitude: number;
  /** Nine characters: a cell of about five metres. */
  readonly geohash: string;
}

/** A record becomes a city or is set aside with a reason; a bad record is never an exception. */
export type Outcome = { readonly city: City } | { readonly reject: string };

/** What the pipeline lends to every transform. */
export interface Toolkit {
  /** @param length Number of characters, 1 to 12. */
  geohash(latitude: number, longitude: number, length: number): string;
  searchName(name: string): string;
}

/** Pure: the same record gives the same outcome, whenever and in whichever process it is run. */
export type Transform = (record: unknown, toolkit: Toolkit) => Outcome;
