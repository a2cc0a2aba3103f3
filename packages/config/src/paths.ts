/** A place in the user's fleet file. */
export type Path = readonly PropertyKey[];

/** Writes a path as a reader would: `hosts.etl-01.agents.enricher.command[1]`, odd keys as `["a b"]`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else if (typeof key === "string" && /^[\w-]{1,64}$/.test(key)) text += text === "" ? key : `.${key}`;
    else text += `[${shorten(JSON.stringify(String(key)))}]`;
  }
  return text;
}

/** A name from a user's file, fit to stand in a message. */
export function quoteName(name: string): string {
  return shorten(JSON.stringify(name));
}

function shorten(text: string): string {
  return text.length > 64 ? `${text.slice(0, 60)}..."` : text;
}
