import assert from 'node:assert/strict';
import { test } from 'node:test';
import { modeWords, WORDS } from '../src/words.ts';

test('every word stands in both languages', () => {
  assert.deepEqual(Object.keys(WORDS.es), Object.keys(WORDS.en));
  for (const words of Object.values(WORDS)) for (const [key, word] of Object.entries(words)) assert.ok(word.trim(), key);
});

test('a mode that is not known stands as it came', () => {
  assert.equal(modeWords('auto', 'es'), 'en patrulla');
  assert.equal(modeWords('QLOITER', 'en'), 'QLOITER');
});
