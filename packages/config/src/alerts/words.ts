export const sinkNamePattern = "[a-z][a-z0-9-]{0,30}";
export const clockTimePattern = "([01][0-9]|2[0-3]):[0-5][0-9]";

const sinkNameForm = new RegExp(`^${sinkNamePattern}$`);
const clockTimeForm = new RegExp(`^${clockTimePattern}$`);

/** What is wrong with the name of a sink, or undefined. It is part of a credential's name on the host. */
export function sinkNameProblem(name: string): string | undefined {
  if (sinkNameForm.test(name)) return undefined;
  return 'a sink\'s name has 1 to 31 characters from a-z, 0-9 and "-", and starts with a letter';
}

/** What is wrong with a time of day, or undefined. */
export function clockTimeProblem(time: string): string | undefined {
  return clockTimeForm.test(time) ? undefined : 'must be a time such as "22:00"';
}

/**
 * What is wrong with the URL of a sink, or undefined. It is in files that everybody may read, so it bears no secret; and what is
 * sent there does, so only a server on this very machine is spoken to in the clear. `smtp:` becomes TLS before anything is said.
 */
export function sinkUrlProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || url.hostname === "") return 'must be a URL such as "https://alerts.example.com/daruma"';
  if (url.username !== "" || url.password !== "")
    return "must not contain a name or password: use credential";
  if (url.hash !== "") return "must not have a fragment";
  if (["https:", "smtp:", "smtps:"].includes(url.protocol)) return undefined;
  if (url.protocol !== "http:") return "must begin with https:, smtps: or smtp:";
  return isLoopback(url.hostname) ? undefined : "must be https: where it is not this very machine";
}

/** Whether a URL's host is the machine itself. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
