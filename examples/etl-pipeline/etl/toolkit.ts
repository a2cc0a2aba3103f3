import type { Toolkit } from "./contract.ts";

const base32 = "0123456789bcdefghjkmnpqrstuvwxyz";

/**
 * The geohash of a point: bits of longitude and latitude in turn, each halving what is left, five to a character.
 *
 * @param latitude Degrees, -90 to 90.
 * @param longitude Degrees, -180 to 180.
 * @param length Number of characters, 1 to 12.
 * @see https://en.wikipedia.org/wiki/Geohash
 */
function geohash(latitude: number, longitude: number, length: number): string {
  let south = -90;
  let north = 90;
  let west = -180;
  let east = 180;
  let hash = "";
  let index = 0;
  for (let bit = 0; bit < length * 5; bit++) {
    if (bit % 2 === 0) {
      const middle = (west + east) / 2;
      const upper = longitude >= middle;
      if (upper) west = middle;
      else east = middle;
      index = index * 2 + Number(upper);
    } else {
      const middle = (south + north) / 2;
      const upper = latitude >= middle;
      if (upper) south = middle;
      else north = middle;
      index = index * 2 + Number(upper);
    }
    if (bit % 5 === 4) {
      hash += base32.charAt(index);
      index = 0;
    }
  }
  return hash;
}

/** "São-Paulo" and "SAO PAULO" are one search name: "sao paulo". */
function searchName(name: string): string {
  return name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, " ")
    .trim();
}

export const toolkit: Toolkit = { geohash, searchName };
