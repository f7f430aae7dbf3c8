/** Pure: what moves on the ground, as GeoJSON. MapLibre lays it over the terrain. */

import { ahead, ellipse, metres } from '../format.ts';
import type { LiveView, TrackView } from '../wire.ts';
import type { Words } from '../words.ts';

const AHEAD_S = 300;

const collection = (features: GeoJSON.Feature[]): GeoJSON.FeatureCollection => ({ type: 'FeatureCollection', features });
const feature = (geometry: GeoJSON.Geometry, properties: Record<string, unknown>): GeoJSON.Feature => ({
  type: 'Feature',
  geometry,
  properties,
});

export function footprints(view: LiveView): GeoJSON.FeatureCollection {
  return collection(
    view.footprints
      .filter((f) => f.ring_lonlat.length >= 3)
      .map((f) =>
        feature({ type: 'Polygon', coordinates: [[...f.ring_lonlat, f.ring_lonlat[0]!]] }, { aircraft_id: f.aircraft_id }),
      ),
  );
}

export function trails(view: LiveView): GeoJSON.FeatureCollection {
  const line = (trail: [number, number][], of: string, status = '') =>
    trail.length < 2 ? [] : [feature({ type: 'LineString', coordinates: trail }, { of, status })];
  return collection([
    ...view.aircraft.flatMap((a) => line(a.trail, 'aircraft')),
    ...view.tracks.flatMap((t) => line(t.trail, 'track', t.status)),
  ]);
}

/** A mover whose place is known worse than this keeps its ellipse and sign, without words. */
const KNOWN_M = 500;

/** A mover: its 95 % ellipse, where it will be in five minutes if it goes on so, and its sign with words. */
function track(t: TrackView, words: Words): GeoJSON.Feature[] {
  const at: [number, number] = [t.lon_deg, t.lat_deg];
  const size = words[t.size_class as keyof Words] ?? t.size_class;
  const label = t.semi_major_m <= KNOWN_M ? `${size}\n± ${metres(t.semi_major_m)}` : '';
  const shared = { id: t.id, status: t.status };
  const features = [
    feature(
      { type: 'Polygon', coordinates: [ellipse(t.lat_deg, t.lon_deg, t.semi_major_m, t.semi_minor_m, t.orientation_deg)] },
      shared,
    ),
    feature({ type: 'Point', coordinates: at }, { ...shared, label }),
  ];
  if (t.speed_mps > 0.2) {
    const to = ahead(t.lat_deg, t.lon_deg, t.course_deg, t.speed_mps * AHEAD_S);
    features.push(feature({ type: 'LineString', coordinates: [at, to] }, shared));
  }
  return features;
}

export function tracks(view: LiveView, words: Words): GeoJSON.FeatureCollection {
  return collection(view.tracks.flatMap((t) => track(t, words)));
}
