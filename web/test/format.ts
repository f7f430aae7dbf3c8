import assert from 'node:assert/strict';
import { test } from 'node:test';
import { about, ahead, atLeast, atMost, clock, day, duration, ellipse, metres, position, zoneName } from '../src/format.ts';

const MIDNIGHT_NS = Date.UTC(2026, 8, 29) * 1e6;

test('clocks show the instant at the offset, over the change of day', () => {
  assert.equal(clock(MIDNIGHT_NS), '00:00:00');
  assert.equal(clock(MIDNIGHT_NS + 61e9, -4), '20:01:01');
  assert.equal(day(MIDNIGHT_NS, -4), '2026-09-28');
  assert.equal(zoneName(-4), 'UTC−4');
  assert.equal(zoneName(5.5), 'UTC+5:30');
});

test('a promise is never rounded up, a limit never down', () => {
  assert.equal(atLeast(0.419), '≥ 41 %');
  assert.equal(atLeast(0.29), '≥ 29 %'); // 0.29 * 100 is 28.999999999999996
  assert.equal(atMost(0.571), '≤ 58 %');
  assert.equal(atMost(0.57), '≤ 57 %'); // 0.57 * 100 is 56.99999999999999
  assert.equal(about(0.466), '47 %');
});

test('distances and durations read as a person says them', () => {
  assert.equal(metres(12345.4), '12 345 m');
  assert.equal(duration(89), '89 s');
  assert.equal(duration(600), '10 min');
  assert.equal(duration(5460), '1 h 31 min');
  assert.equal(position(-18.1, -69.02345), '18.10000° S  69.02345° W');
});

test('a point ahead lies at its distance and bearing', () => {
  const [lon, lat] = ahead(-18, -69, 90, 1000);
  assert.equal(lat.toFixed(6), '-18.000000');
  assert.ok(Math.abs((lon + 69) * 111_195 * Math.cos((18 * Math.PI) / 180) - 1000) < 0.01);
});

test('an ellipse is closed and has its major axis on its bearing', () => {
  const ring = ellipse(0, 0, 200, 50, 30);
  assert.deepEqual(ring[0], ring.at(-1));
  const far = ring.map(([lon, lat]) => ({ r: Math.hypot(lon, lat) * 111_195, bearing: (Math.atan2(lon, lat) * 180) / Math.PI }));
  far.sort((a, b) => b.r - a.r);
  assert.ok(Math.abs(far[0]!.r - 200) < 0.5);
  assert.ok(Math.abs(far.at(-1)!.r - 50) < 0.5);
  assert.ok([30, -150].some((bearing) => Math.abs(far[0]!.bearing - bearing) < 0.01));
});
