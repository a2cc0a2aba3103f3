import { referencesOf } from "./closure.ts";
import { readPromotions } from "./known-good.ts";
import { isGenerationName, type Layout } from "./layout.ts";
import { currentProfileLink, profileLinks, removeProfileLink, removeTemporaryLinks } from "./profile.ts";
import { removeFromStore, storeNames } from "./store.ts";
import { readWorn } from "./worn.ts";

const keptNumbers = 10;

/**
 * Removes what no kept generation needs. Kept are the newest ten numbers, the current one, everything known-good, what
 * agents run with in place of what is declared, and whatever was made within `minAgeMs`: that may be a generation which is about to be deployed.
 *
 * @returns the names that were removed from the store.
 * @throws GENERATION_E_CORRUPT and removes nothing where it cannot tell what a kept generation needs.
 */
export async function removeGarbage(layout: Layout, now: number, minAgeMs: number): Promise<string[]> {
  // Ages first: what is made from here on is not in the list, and so not in danger.
  const candidates = await storeNames(layout, now);
  const links = await profileLinks(layout);
  const current = await currentProfileLink(layout);
  const roots = new Set([
    ...links.slice(-keptNumbers).map((link) => link.name),
    ...(current === null ? [] : [current.name]),
    ...(await readPromotions(layout)).map((promotion) => promotion.name),
    ...(await readWorn(layout)),
  ]);
  const present = new Set(candidates.map((candidate) => candidate.name));
  const needed = new Set(roots);
  for (const name of roots) {
    // A known-good generation that was removed by hand needs nothing any more.
    if (present.has(name)) for (const reference of await referencesOf(layout, name)) needed.add(reference);
  }
  await removeTemporaryLinks(layout, now - minAgeMs);
  for (const link of links) if (!roots.has(link.name)) await removeProfileLink(layout, link.number);
  const garbage = candidates.filter(({ name, ageMs }) => !needed.has(name) && ageMs >= minAgeMs);
  const names = garbage.map(({ name }) => name);
  // Generations before what they need: so a crash leaves none of them in part.
  const generationsFirst = [
    ...names.filter(isGenerationName),
    ...names.filter((name) => !isGenerationName(name)),
  ];
  for (const name of generationsFirst) await removeFromStore(layout, name);
  return generationsFirst;
}
