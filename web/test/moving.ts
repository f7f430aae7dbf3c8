import assert from 'node:assert/strict';
import { test } from 'node:test';
import { footprints, tracks, trails } from '../src/map/moving.ts';
import type { LiveView, TrackView } from '../src/wire.ts';
import { WORDS } from '../src/words.ts';

const TRACK: TrackView = {
  id: 3,
  lat_deg: -18,
  lon_deg: -69,
  semi_major_m: 140,
  semi_minor_m: 60,
  orientation_deg: 10,
  status: 'confirmed',
  size_class: 'person',
  speed_mps: 1.2,
  course_deg: 90,
  age_s: 1,
  chainage_m: 1000,
  offset_m: 50,
  trail: [[-69.01, -18], [-69, -18]],
};
const VIEW: LiveView = {
  t_ns: 0,
  speed: 1,
  simulated: [],
  phase_en: '',
  phase_es: '',
  tasking: '',
  aircraft: [],
  footprints: [
    { aircraft_id: 'a', ring_lonlat: [[0, 0], [1, 0], [1, 1]] },
    { aircraft_id: 'b', ring_lonlat: [] },
  ],
  tracks: [TRACK],
  alerts: [],
};

test('a footprint is closed, and one that sees no ground is left out', () => {
  const { features } = footprints(VIEW);
  assert.equal(features.length, 1);
  const ring = (features[0]!.geometry as GeoJSON.Polygon).coordinates[0]!;
  assert.equal(ring.length, 4);
  assert.deepEqual(ring[0], ring[3]);
});

test('a moving track has its error, its sign and where it goes; a standing one goes nowhere', () => {
  const kinds = (view: LiveView) => tracks(view, WORDS.es).features.map((f) => f.geometry.type);
  assert.deepEqual(kinds(VIEW), ['Polygon', 'Point', 'LineString']);
  assert.deepEqual(kinds({ ...VIEW, tracks: [{ ...TRACK, speed_mps: 0 }] }), ['Polygon', 'Point']);
});

test('a track is named in the language of the screen, with its error', () => {
  assert.equal(tracks(VIEW, WORDS.es).features[1]!.properties!.label, 'tamaño persona\n± 140 m');
});

test('a trail of one point is no line', () => {
  assert.equal(trails(VIEW).features.length, 1);
  assert.equal(trails({ ...VIEW, tracks: [{ ...TRACK, trail: [[0, 0]] }] }).features.length, 0);
});
