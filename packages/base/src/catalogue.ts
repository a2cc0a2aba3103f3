import { defineErrors, exitCode } from "./errors.ts";

export const baseErrors = defineErrors({
  SOCKET_E_PATH_TOO_LONG: {
    summary: "A Unix socket's path is longer than the 107 bytes that Linux allows.",
    remedy: "Point XDG_RUNTIME_DIR at a directory with a shorter path.",
    exit: exitCode.error,
  },
  SOCKET_E_UNREACHABLE: {
    summary: "Nothing answers on a Unix socket.",
    remedy: "Start the daemon behind it (`agentctl dev`, or `systemctl start` on a host), then try again.",
    exit: exitCode.unreachable,
  },
  SOCKET_E_IN_USE: {
    summary: "Another process already listens on a socket that this one wants to serve.",
    remedy: "Stop the other process, or use it.",
    exit: exitCode.error,
  },
  SOCKET_E_UNUSABLE: {
    summary: "A Unix socket could not be created (permissions, a read-only or missing directory).",
    remedy: "Check the directory named in the message: it must exist and be writable.",
    exit: exitCode.error,
  },
  SOCKET_E_TIMEOUT: {
    summary: "The daemon accepted the request and did not answer in time.",
    remedy: "Look at the daemon's log; it may be stuck on a full or failing disk.",
    exit: exitCode.unreachable,
  },
  SOCKET_E_PROTOCOL: {
    summary: "An answer or a request on a socket was not what the protocol allows.",
    remedy: "Make sure that both programs are of the same release.",
    exit: exitCode.error,
  },
  JSON_E_NOT_CANONICAL: {
    summary:
      "A value has no canonical JSON form (NaN, an infinity, an unsafe integer, a lone surrogate, a function).",
    remedy: "Replace the value at the path named in the message.",
    exit: exitCode.error,
  },
});
