export { watchdErrors } from "./catalogue.ts";
