import type { Look } from '../map/view.ts';
import type { Group } from '../map/style.ts';
import type { FreshnessClass } from '../wire.ts';
import type { Words } from '../words.ts';
import { Frame } from './signs.tsx';

interface Props {
  look: Look;
  classes: FreshnessClass[];
  words: Words;
  onShow(group: Group, on: boolean): void;
  onRelief3d(on: boolean): void;
  onFit(): void;
}

const ORDER: Group[] = ['freshness', 'footprints', 'sorties', 'trails', 'zones', 'ground'];

export function Layers({ look, classes, words, onShow, onRelief3d, onFit }: Props) {
  return (
    <section class="panel layers" aria-label={words.layers}>
      <h2>
        {words.layers}
        <button class="plain" onClick={onFit} title={words.fit} aria-label={words.fit}>
          <Frame />
        </button>
      </h2>
      {ORDER.map((group) => (
        <div key={group}>
          <Switch name={words[group]} id={group} on={look.shown[group]} onChange={(on) => onShow(group, on)} />
          {group === 'freshness' && look.shown.freshness && <Legend classes={classes} words={words} />}
        </div>
      ))}
      <Switch name={words.relief3d} id="relief3d" on={look.relief3d} onChange={onRelief3d} />
    </section>
  );
}

function Switch({ name, id, on, onChange }: { name: string; id: string; on: boolean; onChange(on: boolean): void }) {
  return (
    <label class="switch">
      <input type="checkbox" role="switch" name={id} checked={on} onChange={(e) => onChange(e.currentTarget.checked)} />
      <span class="knob" />
      {name}
    </label>
  );
}

function Legend({ classes, words }: { classes: FreshnessClass[]; words: Words }) {
  const label = (c: FreshnessClass, next: FreshnessClass | undefined) => {
    if (c.from_s === null) return words.never;
    return next?.from_s ? `<${next.from_s / 60}` : `>${c.from_s / 60}`;
  };
  return (
    <ol class="legend">
      {classes.map((c, i) => (
        <li key={c.from_s}>
          <i style={{ background: `rgb(${c.rgba.slice(0, 3).join(',')})` }} />
          {label(c, classes[i + 1])}
        </li>
      ))}
      <li class="unit">{words.minutes}</li>
    </ol>
  );
}
