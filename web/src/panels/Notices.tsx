import { clock, duration, km, metres, position } from '../format.ts';
import type { LiveView, Meta } from '../wire.ts';
import { type Language, modeWords, simulatedThings, type Words } from '../words.ts';

/** What on this screen is not real. Stands on the map at all times. */
export function Badges({ meta, view, words }: { meta: Meta; view: LiveView | null; words: Words }) {
  const simulated = simulatedThings([...(view?.simulated ?? []), ...meta.simulated], words);
  return (
    <div class="badges">
      {meta.terrain.sketched && <strong title={words.sketchedHelp}>{words.sketched}</strong>}
      {simulated.length > 0 && (
        <strong title={words.simulatedHelp}>
          {words.simulated} {simulated.join(' · ')}
        </strong>
      )}
      {meta.terrain.voids && <strong>{words.voids}</strong>}
    </div>
  );
}

export function OldData({ view, lost, ageS, offsetH, words }: { view: LiveView | null; lost: boolean; ageS: number; offsetH: number; words: Words }) {
  return (
    <div class="old" role="alert">
      <strong>{lost ? words.lost : words.stale}</strong>
      {view && (
        <span>
          {words.since} {clock(view.t_ns, offsetH)} ({duration(ageS)})
        </span>
      )}
      <span>{lost ? words.reconnecting : ''}</span>
    </div>
  );
}

export function Stop({ title, remedy }: { title: string; remedy: string }) {
  return (
    <main class="stop" aria-live="assertive">
      <h1>{title}</h1>
      <p>{remedy}</p>
    </main>
  );
}

/** The map in words, for a browser that cannot draw it. */
export function InWords({ view, words, language }: { view: LiveView | null; words: Words; language: Language }) {
  return (
    <main class="in-words">
      <h2>{words.noWebGl}</h2>
      <p>{words.noWebGlRemedy}</p>
      <h3>{words.aircraft}</h3>
      <table>
        <thead>
          <tr>
            {[words.name, words.mode, words.height, words.speed, words.battery, words.positionWord].map((t) => (
              <th key={t}>{t}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {view?.aircraft.map((a) => (
            <tr key={a.id}>
              <th>{a.name}</th>
              <td>{modeWords(a, language)}</td>
              <td>{a.height_agl_m === null ? words.unknown : `${metres(a.height_agl_m)} ${words.aboveGround}`}</td>
              <td>{a.ground_speed_mps === null ? words.unknown : `${Math.round(a.ground_speed_mps)} m/s`}</td>
              <td>{a.battery_fraction === null ? words.unknown : `${Math.round(a.battery_fraction * 100)} %`}</td>
              <td>{position(a.lat_deg, a.lon_deg)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <h3>{words.tracks}</h3>
      <table>
        <thead>
          <tr>
            {['', words.size, words.status, 'km', words.fromBorder, words.error95, words.positionWord].map((t) => (
              <th key={t}>{t}</th>
            ))}
          </tr>
        </thead>
        <tbody>
          {view?.tracks.map((t) => (
            <tr key={t.id}>
              <th>{t.id}</th>
              <td>{words[t.size_class as keyof Words] ?? t.size_class}</td>
              <td>{words[t.status]}</td>
              <td>{t.chainage_m === null ? words.unknown : km(t.chainage_m)}</td>
              <td>{t.offset_m === null ? words.unknown : `${metres(Math.abs(t.offset_m))}, ${t.offset_m < 0 ? words.theirSide : words.ourSide}`}</td>
              <td>± {metres(t.semi_major_m)}</td>
              <td>{position(t.lat_deg, t.lon_deg)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </main>
  );
}
