/** The screen: gets the area once, follows the present, and gives both to the map and the panels. */

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { follow } from './live.ts';
import { STALE_S } from './limits.ts';
import type { Group } from './map/style.ts';
import { type Look, MapView, type Room } from './map/view.ts';
import { Alerts } from './panels/Alerts.tsx';
import { Border } from './panels/Border.tsx';
import { Fleet } from './panels/Fleet.tsx';
import { Layers } from './panels/Layers.tsx';
import { Badges, InWords, OldData, Stop } from './panels/Notices.tsx';
import { TopBar } from './panels/TopBar.tsx';
import { position } from './format.ts';
import { Refused, type Session } from './session.ts';
import type { AlertView, LiveView, Meta } from './wire.ts';
import { WORDS } from './words.ts';

const KEPT = 'kuntur.look';
const RETRY_MS = 3000;
const NARROW_PX = 900;
const CHART_PX = 214; // what the border's chart takes of the map's height

interface Still {
  meta: Meta;
  area: GeoJSON.FeatureCollection;
}

function firstLook(): Look {
  const fallback: Look = {
    theme: 'night',
    language: navigator.language.startsWith('es') ? 'es' : 'en',
    shown: { freshness: true, seen: false, routes: false, footprints: true, sorties: true, trails: true, zones: true, ground: true },
    relief3d: false,
  };
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? '{}') as Partial<Look>;
    return { ...fallback, ...kept, shown: { ...fallback.shown, ...kept.shown }, relief3d: false };
  } catch {
    return fallback;
  }
}

/** Two colourings of the same ground are never shown at once. */
function shownWith(shown: Look['shown'], group: Group, on: boolean): Look['shown'] {
  const other = { freshness: 'seen', seen: 'freshness' }[group as string];
  return { ...shown, ...(on && other ? { [other]: false } : {}), [group]: on };
}

/** The part of the map that no panel covers. */
const room = (chart: boolean): Room => {
  const low = chart ? CHART_PX : 0;
  return innerWidth < NARROW_PX
    ? { top: 76, bottom: 30 + low, left: 20, right: 240 }
    : { top: 84, bottom: 74 + low, left: 268, right: 352 };
};

/** Meta and area, asked for until the server answers. */
function useStill(session: Session) {
  const [still, setStill] = useState<Still | null>(null);
  const [fault, setFault] = useState<'refused' | 'unreachable' | null>(null);
  useEffect(() => {
    let timer = 0;
    const ask = () =>
      Promise.all([session.meta(), session.area()]).then(
        ([meta, area]) => {
          setFault(null);
          setStill({ meta, area });
        },
        (error: unknown) => {
          setFault(error instanceof Refused ? 'refused' : 'unreachable');
          if (!(error instanceof Refused)) timer = window.setTimeout(ask, RETRY_MS);
        },
      );
    void ask();
    return () => clearTimeout(timer);
  }, []);
  return {
    still,
    fault,
    setArea: (area: GeoJSON.FeatureCollection) => setStill((s) => s && { ...s, area }),
    onRefused: () => setFault('refused'),
  };
}

/** The present, whether the link stands, and for how long nothing new has come. */
function useLive(session: Session, onRefused: () => void): { view: LiveView | null; connected: boolean; ageS: number } {
  const [view, setView] = useState<LiveView | null>(null);
  const [connected, setConnected] = useState(true);
  const [ageS, setAgeS] = useState(0);
  const newest = useRef({ tNs: 0, atMs: performance.now() });
  useEffect(() => {
    const stop = follow(session.token, {
      onView: (next) => {
        if (next.t_ns !== newest.current.tNs) newest.current = { tNs: next.t_ns, atMs: performance.now() };
        setView(next);
      },
      onLink: (link) => {
        setConnected(link);
        // A socket does not say why it was refused: ask. A restarted server has another token.
        if (!link) session.meta().catch((error: unknown) => error instanceof Refused && onRefused());
      },
    });
    const timer = setInterval(() => setAgeS((performance.now() - newest.current.atMs) / 1000), 1000);
    return () => {
      stop();
      clearInterval(timer);
    };
  }, []);
  return { view, connected, ageS };
}

/** Acknowledgements shown at once, taken back with words when the server does not confirm. */
function useAcknowledge(session: Session) {
  const [pending, setPending] = useState<ReadonlySet<string>>(new Set());
  const [failed, setFailed] = useState<ReadonlyMap<string, string>>(new Map());
  const acknowledge = (alert: AlertView) => {
    setPending((p) => new Set(p).add(alert.id));
    setFailed((f) => new Map([...f].filter(([id]) => id !== alert.id)));
    session.acknowledge(alert.id).catch((error: unknown) => {
      setPending((p) => new Set([...p].filter((id) => id !== alert.id)));
      setFailed((f) => new Map(f).set(alert.id, error instanceof Error ? error.message : String(error)));
    });
  };
  return { pending, failed, acknowledge };
}

export function App({ session }: { session: Session }) {
  const [look, setLook] = useState(firstLook);
  const { still, fault, setArea, onRefused } = useStill(session);
  const words = WORDS[look.language];
  useLayoutEffect(() => {
    document.documentElement.dataset.theme = look.theme;
    document.documentElement.lang = look.language;
    localStorage.setItem(KEPT, JSON.stringify(look));
  }, [look]);
  if (fault === 'refused') return <Stop title={words.refused} remedy={words.refusedRemedy} />;
  if (still === null) {
    return fault ? <Stop title={words.unreachable} remedy={words.unreachableRemedy} /> : <Stop title={words.connecting} remedy="" />;
  }
  return <Screen session={session} still={still} setArea={setArea} onRefused={onRefused} look={look} setLook={setLook} />;
}

interface ScreenProps {
  session: Session;
  still: Still;
  setArea(area: GeoJSON.FeatureCollection): void;
  onRefused(): void;
  look: Look;
  setLook(change: (look: Look) => Look): void;
}

function Screen({ session, still, setArea, onRefused, look, setLook }: ScreenProps) {
  const { meta, area } = still;
  const { view, connected, ageS } = useLive(session, onRefused);
  const { pending, failed, acknowledge } = useAcknowledge(session);
  const [chosen, setChosen] = useState<string | null>(null);
  const [menu, setMenu] = useState(false);
  const [cursor, setCursor] = useState<[number, number] | null>(null);
  const holder = useRef<HTMLDivElement>(null);
  const map = useRef<MapView | null>(null);
  const [drawable, setDrawable] = useState(true);
  const words = WORDS[look.language];
  const chart = meta.seen !== null && (look.shown.seen || look.shown.routes);
  const charted = useRef(chart);

  useEffect(() => {
    try {
      map.current = new MapView(holder.current!, session, meta, area, look, room(chart), {
        onReady: () => (document.documentElement.dataset.map = 'ready'),
        onAlert: setChosen,
        onCursor: setCursor,
      });
    } catch {
      setDrawable(false);
      return;
    }
    const resized = () => map.current?.setRoom(room(charted.current));
    addEventListener('resize', resized);
    return () => {
      removeEventListener('resize', resized);
      map.current?.remove();
    };
  }, []);
  useEffect(() => map.current?.setLook(look), [look]);
  useEffect(() => map.current?.setArea(area), [area]);
  useEffect(() => {
    if (charted.current === chart) return;
    charted.current = chart;
    map.current?.setRoom(room(chart));
    map.current?.fit();
  }, [chart]);
  useEffect(() => {
    if (view) map.current?.update(view);
  }, [view]);
  useEffect(() => {
    if (view?.tasking) session.area().then(setArea, () => undefined);
  }, [view?.tasking]);

  const old = !connected || ageS > STALE_S;
  const pick = (alert: AlertView) => {
    setChosen(alert.id);
    if (alert.lat_deg !== null && alert.lon_deg !== null) map.current?.flyTo({ lat_deg: alert.lat_deg, lon_deg: alert.lon_deg });
  };
  return (
    <div class={['screen', old ? 'is-old' : '', menu ? 'menu-open' : ''].join(' ')}>
      {drawable ? <div class="map" ref={holder} /> : <InWords view={view} words={words} language={look.language} />}
      <TopBar
        meta={meta}
        view={view}
        words={words}
        language={look.language}
        night={look.theme === 'night'}
        onLanguage={() => setLook((l) => ({ ...l, language: l.language === 'en' ? 'es' : 'en' }))}
        onTheme={() => setLook((l) => ({ ...l, theme: l.theme === 'night' ? 'day' : 'night' }))}
        onMenu={() => setMenu(!menu)}
      />
      {old && <OldData view={view} lost={!connected} ageS={ageS} offsetH={meta.utc_offset_h} words={words} />}
      <aside class="left">
        <Fleet aircraft={view?.aircraft ?? []} words={words} language={look.language} speed={view?.speed ?? 1} onPick={(a) => map.current?.flyTo(a)} />
        {drawable && (
          <Layers
            look={look}
            classes={meta.freshness_classes}
            words={words}
            seen={meta.seen}
            onShow={(group, on) => setLook((l) => ({ ...l, shown: shownWith(l.shown, group, on) }))}
            onRelief3d={(relief3d) => setLook((l) => ({ ...l, relief3d }))}
            onFit={() => map.current?.fit()}
          />
        )}
      </aside>
      <aside class="right">
        <Alerts
          alerts={view?.alerts ?? []}
          pending={pending}
          failed={failed}
          chosen={chosen}
          offsetH={meta.utc_offset_h}
          words={words}
          language={look.language}
          onPick={pick}
          onAcknowledge={acknowledge}
        />
      </aside>
      {drawable && meta.seen && chart && <Border seen={meta.seen} certificate={meta.certificate} words={words} />}
      <Badges meta={meta} view={view} words={words} />
      <footer class="foot quiet">
        <span class="cursor">{cursor ? position(cursor[1], cursor[0]) : ''}</span>
        <span>{[...new Set([meta.terrain.attribution, ...meta.attributions])].join(' · ')}</span>
      </footer>
    </div>
  );
}
