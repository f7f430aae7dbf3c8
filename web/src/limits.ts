/** Where the screen begins to warn. */

export const LOW_BATTERY = 0.25;
/** Seconds of wall clock without a new instant before the screen says that it is old. */
export const STALE_S = 5;
