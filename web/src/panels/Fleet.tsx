import { duration, metres, position } from '../format.ts';
import { LOW_BATTERY } from '../limits.ts';
import type { AircraftView } from '../wire.ts';
import { type Language, modeWords, type Words } from '../words.ts';
import { AircraftSign } from './signs.tsx';

/** Silence worth a word, in seconds of wall clock: a fast simulation speaks as often by the wall, not by its own time. */
const SILENT_S = 10;

interface Props {
  aircraft: AircraftView[];
  words: Words;
  language: Language;
  speed: number;
  onPick(aircraft: AircraftView): void;
}

export function Fleet({ aircraft, words, language, speed, onPick }: Props) {
  return (
    <section class="panel fleet" aria-label={words.aircraft}>
      <h2>{words.aircraft}</h2>
      {aircraft.length === 0 && <p class="quiet empty">{words.noAircraft}</p>}
      <ul>
        {aircraft.map((a) => (
          <li key={a.id}>
            <Card a={a} silent={a.age_s > SILENT_S * Math.max(1, speed)} words={words} language={language} onPick={() => onPick(a)} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Card({ a, silent, words, language, onPick }: { a: AircraftView; silent: boolean; words: Words; language: Language; onPick(): void }) {
  const low = a.battery_fraction !== null && a.battery_fraction < LOW_BATTERY;
  const height = a.height_agl_m === null ? words.unknown : metres(a.height_agl_m);
  return (
    <button class="card" onClick={onPick} title={words.showOnMap} data-aircraft={a.id} data-position={position(a.lat_deg, a.lon_deg)}>
      <AircraftSign kind={a.kind} />
      <span class="name">{a.name}</span>
      <Battery fraction={a.battery_fraction} low={low} words={words} />
      <span class="facts quiet">
        {silent ? (
          <strong class="warn">
            {words.noTelemetry} {duration(a.age_s)}
          </strong>
        ) : (
          <>
            <span class="mode">{modeWords(a, language)}</span>
            <span title={words.aboveGround}>↥ {height}</span>
            <span>{a.ground_speed_mps === null ? '' : `${Math.round(a.ground_speed_mps)} m/s`}</span>
          </>
        )}
      </span>
    </button>
  );
}

function Battery({ fraction, low, words }: { fraction: number | null; low: boolean; words: Words }) {
  if (fraction === null) return <span class="battery quiet">–</span>;
  const percent = Math.round(fraction * 100);
  return (
    <span class={low ? 'battery low' : 'battery'} title={words.battery}>
      <i>
        <i style={{ width: `${percent}%` }} />
      </i>
      {low ? '▾' : ''}
      {percent} %
    </span>
  );
}
