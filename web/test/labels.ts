import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sides } from '../src/map/labels.ts';

const sign = (x: number, y: number) => ({ x, y, width: 90, height: 36 });

test('a label alone stands on the right', () => assert.deepEqual(sides([sign(100, 100)]), ['right']));

test('two signs side by side have their labels apart', () => {
  assert.deepEqual(sides([sign(100, 100), sign(140, 100)]), ['left', 'right']);
});

test('a label keeps off other signs too', () => {
  assert.notEqual(sides([sign(100, 100)], [{ x: 160, y: 100 }])[0], 'right');
});
