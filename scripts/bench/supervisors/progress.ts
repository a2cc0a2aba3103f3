/** Says on stderr what is measured now: all of it takes an hour. */
export function begin(who: string, what: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)}  ${who}: ${what}\n`);
}
