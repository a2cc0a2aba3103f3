/** What `healthUrlProblem` finds nothing wrong with matches this; see LeafType. */
export const healthUrlPattern = "[Hh][Tt][Tt][Pp][Ss]?://[^ \t\n\r]+";

/** What is wrong with the URL of a health check, or undefined. The URL itself is not repeated: it may hold a password. */
export function healthUrlProblem(url: string): string | undefined {
  const form = "must be an http or https URL, such as http://127.0.0.1:8080/health";
  // The URL parser would drop some of these without a word.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\s\u0000-\u001f\u007f]/.test(url)) return `${form}, without spaces or control characters`;
  const parsed = URL.parse(url);
  if (parsed === null || !/^https?:\/\//i.test(url)) return form;
  if (parsed.username !== "" || parsed.password !== "") {
    return "must not contain a user or password: it is written to generated files";
  }
  if (parsed.hash !== "") return "must not have a fragment (#...), which is never sent";
  if (parsed.port === "0") return "must not have port 0, on which nothing can listen";
  return url.length <= 2048 ? undefined : "must be at most 2048 characters long";
}

/** Equal for URLs that reach the same thing. */
export function healthUrlKey(url: string): string | undefined {
  return healthUrlProblem(url) === undefined ? URL.parse(url)?.href : undefined;
}

/** Every URL of a dependency matches this as a whole; see dependencyUrlProblem. */
export const dependencyUrlPattern = "(tcp|[Hh][Tt][Tt][Pp][Ss]?)://[^ ]+";

/** What is wrong with the URL of a dependency, or undefined. */
export function dependencyUrlProblem(url: string): string | undefined {
  if (!url.startsWith("tcp://"))
    return healthUrlProblem(url)?.replace(/^must be an http/, "must be tcp://HOST:PORT, or an http");
  const parsed = /^tcp:\/\/(\[[0-9a-f:.]+\]|[a-z0-9._-]+):([1-9][0-9]{0,4})$/i.exec(url);
  return parsed === null || Number(parsed[2]) > 65_535
    ? "must be tcp://HOST:PORT, or an http or https URL"
    : undefined;
}
