import type { Look } from '../map/view.ts';
import { type Group, OF_THE_PLAN } from '../map/style.ts';
import type { FreshnessClass, Seen } from '../wire.ts';
import type { Words } from '../words.ts';
import { Frame } from './signs.tsx';

interface Props {
  look: Look;
  classes: FreshnessClass[];
  seen: Seen | null;
  words: Words;
  onShow(group: Group, on: boolean): void;
  onRelief3d(on: boolean): void;
  onFit(): void;
}

const ORDER: Group[] = ['freshness', 'seen', 'routes', 'footprints', 'sorties', 'trails', 'zones', 'ground'];

export function Layers({ look, classes, seen, words, onShow, onRelief3d, onFit }: Props) {
  return (
    <section class="panel layers" aria-label={words.layers}>
      <h2>
        {words.layers}
        <button class="plain" onClick={onFit} title={words.fit} aria-label={words.fit}>
          <Frame />
        </button>
      </h2>
      {ORDER.filter((group) => seen || !OF_THE_PLAN.includes(group)).map((group) => (
        <div key={group}>
          <Switch name={words[group]} id={group} on={look.shown[group]} onChange={(on) => onShow(group, on)} />
          {group === 'freshness' && look.shown.freshness && <Legend steps={ages(classes, words)} unit={words.minutes} />}
          {group === 'seen' && look.shown.seen && seen && <Legend steps={rates(seen, words)} unit={words.perHour} title={words.seenHelp} />}
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

type Step = [rgba: number[], label: string];

function ages(classes: FreshnessClass[], words: Words): Step[] {
  return classes.map((c, i) => {
    const next = classes[i + 1]?.from_s;
    return [c.rgba, c.from_s === null ? words.never : next ? `<${next / 60}` : `>${c.from_s / 60}`];
  });
}

function rates(seen: Seen, words: Words): Step[] {
  return seen.classes.map((c, i) => {
    const next = seen.classes[i + 1]?.from_per_hour;
    return [c.rgba, c.from_per_hour === null ? words.never : next ? `<${next === 0.5 ? '½' : next}` : `>${c.from_per_hour}`];
  });
}

function Legend({ steps, unit, title }: { steps: Step[]; unit: string; title?: string }) {
  return (
    <ol class="legend" title={title}>
      {steps.map(([rgba, label]) => (
        <li key={label}>
          <i style={{ background: `rgb(${rgba.slice(0, 3).join(',')})` }} />
          {label}
        </li>
      ))}
      <li class="unit">{unit}</li>
    </ol>
  );
}
