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
 *
 * @throws SOCKET_E_PATH_TOO_LONG, SOCKET_E_IN_USE, SOCKET_E_UNUSABLE
 */
export async function serveStatus({ path, status, onBug }: StatusSocketOptions): Promise<UnixServer | null> {
  if (path === null) return null;
  return await serveUnix({
    path,
    mode: 0o660,
    limits: { bodyBytes: 0, connections: 4, requestMs: 5_000 },
    routes: { "GET /v1/status": async () => status() },
    onBug,
  });
}
