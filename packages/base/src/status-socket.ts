import { serveUnix, type UnixServer } from "./unix-http.ts";

export interface StatusSocketOptions {
  /** Null: nobody is told anything. */
  readonly path: string | null;
  readonly status: () => object;
  readonly onBug: (error: unknown) => void;
}

/**
 * Serves one document, `GET /v1/status`, to the group of the socket's directory (set-gid): for programs that are to know how a
 * daemon is, and may ask nothing else of it.
 * That it cannot be served is told to `onBug` and is no reason for a daemon not to do its work.
 */
export async function serveStatus({ path, status, onBug }: StatusSocketOptions): Promise<UnixServer | null> {
  if (path === null) return null;
  const serving = serveUnix({
    path,
    mode: 0o660,
    limits: { bodyBytes: 0, connections: 4, requestMs: 5_000 },
    routes: { "GET /v1/status": async () => status() },
    onBug,
  });
  return await serving.catch((error) => {
    onBug(error);
    return null;
  });
}
