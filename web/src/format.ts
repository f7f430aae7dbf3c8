/** Pure: numbers and positions as a person reads them. */

import type { LonLat } from './wire.ts';

const EARTH_M_PER_DEG = 111_195; // mean meridian degree, for drawing small shapes only
const two = (n: number) => String(n).padStart(2, '0');

/** Wall time of a UTC instant at an offset, as HH:MM:SS. */
export function clock(tNs: number, offsetH = 0): string {
  const d = new Date(tNs / 1e6 + offsetH * 3_600_000);
  return `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
}

/** Date of a UTC instant at an offset, as YYYY-MM-DD. */
export function day(tNs: number, offsetH = 0): string {
  return new Date(tNs / 1e6 + offsetH * 3_600_000).toISOString().slice(0, 10);
}

/** "UTC−4", "UTC+5:30". */
export function zoneName(offsetH: number): string {
  const minutes = Math.round(Math.abs(offsetH % 1) * 60);
  const sign = offsetH < 0 ? '−' : '+';
  return offsetH === 0 ? 'UTC' : `UTC${sign}${Math.trunc(Math.abs(offsetH))}${minutes ? `:${two(minutes)}` : ''}`;
}

/** A probability that must not be overstated: rounded down. */
export const atLeast = (prob: number) => `≥ ${Math.floor(prob * 100 + 1e-9)} %`;
/** A probability that must not be understated: rounded up. */
export const atMost = (prob: number) => `≤ ${Math.ceil(prob * 100 - 1e-9)} %`;
export const about = (prob: number) => `${Math.round(prob * 100)} %`;

export const km = (metres: number) => (metres / 1000).toFixed(1);

export function metres(value: number): string {
  return `${Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ' ')} m`;
}

/** 12 s, 4 min, 1 h 20 min. */
export function duration(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Hours and minutes after the start of the watch, as H:MM. */
export const clockOf = (seconds: number) => `${Math.floor(seconds / 3600)}:${two(Math.floor((seconds % 3600) / 60))}`;

export function position(latDeg: number, lonDeg: number): string {
  return `${Math.abs(latDeg).toFixed(5)}° ${latDeg < 0 ? 'S' : 'N'}  ${Math.abs(lonDeg).toFixed(5)}° ${lonDeg < 0 ? 'W' : 'E'}`;
}

/** The point `distance` metres away on a bearing from true north; good to 0.1 % over a few kilometres. */
export function ahead(latDeg: number, lonDeg: number, bearingDeg: number, distanceM: number): LonLat {
  const bearing = (bearingDeg * Math.PI) / 180;
  const lat = latDeg + (distanceM * Math.cos(bearing)) / EARTH_M_PER_DEG;
  const lon = lonDeg + (distanceM * Math.sin(bearing)) / (EARTH_M_PER_DEG * Math.cos((latDeg * Math.PI) / 180));
  return [lon, lat];
}

/** Closed ring of an ellipse; its major axis lies on a bearing from true north. */
export function ellipse(latDeg: number, lonDeg: number, majorM: number, minorM: number, bearingDeg: number, points = 40): LonLat[] {
  const ring: LonLat[] = [];
  for (let i = 0; i <= points; i++) {
    const angle = (2 * Math.PI * i) / points;
    const along = majorM * Math.cos(angle);
    const across = minorM * Math.sin(angle);
    const turn = (Math.atan2(across, along) * 180) / Math.PI;
    ring.push(ahead(latDeg, lonDeg, bearingDeg + turn, Math.hypot(along, across)));
  }
  return ring;
}
