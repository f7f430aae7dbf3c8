import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modeWords, simulatedThings, WORDS } from '../src/words.ts';

test('every word stands in both languages', () => {
  assert.deepEqual(Object.keys(WORDS.es), Object.keys(WORDS.en));
  for (const words of Object.values(WORDS)) for (const [key, word] of Object.entries(words)) assert.ok(word.trim(), key);
});

test('a mode that is not known stands as it came', () => {
  assert.equal(modeWords({ mode: 'auto', armed: true }, 'es'), 'en patrulla');
  assert.equal(modeWords({ mode: 'AUTO', armed: false }, 'en'), 'on the ground');
  assert.equal(modeWords({ mode: 'QLOITER', armed: true }, 'en'), 'QLOITER');
});

test('what is simulated is said once, and the sketched terrain elsewhere', () => {
  const said = ['simulated aircraft', 'cameras', 'aircraft', 'sketched terrain', 'terrain', 'wind'];
  assert.deepEqual(simulatedThings(said, WORDS.es), ['AERONAVES', 'CÁMARAS', 'WIND']);
});
