import { baseErrors } from "./catalogue.ts";

/** `sun_path` has 108 bytes on Linux, one of them the closing NUL (unix(7)). */
export const maxSocketPathBytes = 107;

/** Carries the exit code of the error in an answer's body. */
export const exitHeader = "daruma-exit";

/** @throws SOCKET_E_PATH_TOO_LONG */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= maxSocketPathBytes) return;
  throw baseErrors.make(
    "SOCKET_E_PATH_TOO_LONG",
    `the socket path has ${bytes} bytes, ${maxSocketPathBytes} are allowed: ${path}`,
    { where: path },
  );
}
