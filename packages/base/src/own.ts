/**
 * What a record itself has under a key that somebody else has chosen, such as the name of an agent: `constructor` is in every
 * object, though nobody has put it there.
 */
export function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
