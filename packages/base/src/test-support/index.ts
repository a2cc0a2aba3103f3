export { type Authority, authority, type Certificate, trust } from "./certificates.ts";
