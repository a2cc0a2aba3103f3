export {
  expressionsOf,
  type ParsedSchedule,
  parseSchedule,
  type Schedule,
  type ScheduleOptions,
  upcoming,
} from "./schedule.ts";
export { findZone, type Segment, type Zone } from "./zone.ts";
