/**
 * Lets this daemon outlive what it writes to: the disk that has its log may be full, and a parent may no longer listen. What is written
 * meanwhile is lost; what comes after that is written again.
 */
export function outliveOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
}
