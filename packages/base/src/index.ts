export { canonicalBytes, canonicalize, digestOf, type JsonValue } from "./canonical.ts";
export { baseErrors } from "./catalogue.ts";
export {
  type Catalogue,
  DarumaError,
  defineErrors,
  type ErrorDetails,
  type ErrorDocument,
  type ErrorEntry,
  type Errors,
  type ExitCode,
  exitCode,
  isDarumaError,
  messageOf,
  type Problem,
  type SourcePlace,
  systemCode,
} from "./errors.ts";
export { createFeeder, type Feeder, feedByClock } from "./feeder.ts";
export { makeDirectories, replaceFile, syncDirectory, writeFileAtomic } from "./files.ts";
export { Histogram, type HistogramDocument } from "./histogram.ts";
export { outliveOutput } from "./output.ts";
export { own } from "./own.ts";
export { checkSocketPath, maxSocketPathBytes } from "./socket.ts";
export { type StatusSocketOptions, serveStatus } from "./status-socket.ts";
export { suggest } from "./suggest.ts";
export { type CallOptions, callUnix, openUnix } from "./unix-client.ts";
export {
  type Handler,
  type Refusal,
  type Request,
  type ServeLimits,
  type ServeOptions,
  serveUnix,
  streamed,
  type UnixServer,
} from "./unix-http.ts";
