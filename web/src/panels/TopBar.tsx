import { useState } from 'preact/hooks';
import { about, atLeast, atMost, clock, day, zoneName } from '../format.ts';
import type { Certificate, LiveView, Meta } from '../wire.ts';
import type { Language, Words } from '../words.ts';
import { Globe, Logo, Menu, Moon, Sun } from './signs.tsx';

interface Props {
  meta: Meta;
  view: LiveView | null;
  words: Words;
  language: Language;
  night: boolean;
  onLanguage(): void;
  onTheme(): void;
  onMenu(): void;
}

export function TopBar({ meta, view, words, language, night, onLanguage, onTheme, onMenu }: Props) {
  const phase = view && (language === 'es' ? view.phase_es : view.phase_en);
  return (
    <header class="bar">
      <button class="plain menu" onClick={onMenu} aria-label={words.menu} title={words.menu}>
        <Menu />
      </button>
      <div class="brand">
        <Logo />
        <div>
          <h1>{meta.title}</h1>
          <p class="quiet">{phase || words.connecting}</p>
        </div>
      </div>
      <Promise meta={meta} words={words} />
      <Clock view={view} offsetH={meta.utc_offset_h} words={words} />
      <div class="tools">
        <button class="plain" onClick={onTheme} aria-label={words.theme} title={words.theme}>
          {night ? <Sun /> : <Moon />}
        </button>
        <button class="plain language" onClick={onLanguage} aria-label={words.language} title={words.language}>
          <Globe />
          {language === 'en' ? 'ES' : 'EN'}
        </button>
      </div>
    </header>
  );
}

function Clock({ view, offsetH, words }: { view: LiveView | null; offsetH: number; words: Words }) {
  const simulated = view !== null && (view.speed !== 1 || view.simulated.length > 0);
  return (
    <div class="clock" role="timer">
      <div>
        <time class="big">{view ? clock(view.t_ns, offsetH) : '--:--:--'}</time>
        <span class="quiet">
          {' '}
          {words.local} {zoneName(offsetH)}
        </span>
      </div>
      <div class="quiet">
        {view ? `${day(view.t_ns)}  ${clock(view.t_ns)} UTC` : ''}
        {simulated && (
          <strong class="speed">
            ×{Math.round(view.speed * 10) / 10} {words.simulatedSpeed}
          </strong>
        )}
      </div>
    </div>
  );
}

/** Floor, attack and ceiling: always the three together, each with the crosser it is about. */
function Promise({ meta, words }: { meta: Meta; words: Words }) {
  const [open, setOpen] = useState(false);
  const { certificate } = meta;
  if (!certificate) return <p class="promise quiet">{words.noPlan}</p>;
  const rows: [value: string, name: string, against: string, inThePlan: string | undefined][] = [
    [atLeast(certificate.floor), words.floor, words.floorOf, certificate.attackers.floor],
    [about(certificate.attack), words.attack, words.attackOf, certificate.attackers.attack],
    [atMost(certificate.ceiling), words.ceiling, words.ceilingOf, certificate.attackers.ceiling],
    [about(certificate.leak), words.leak, words.leakOf, certificate.attackers.leak],
  ];
  return (
    <div class="promise" onKeyDown={(e) => e.key === 'Escape' && setOpen(false)}>
      <button class="plain numbers" aria-expanded={open} onClick={() => setOpen(!open)} title={words.certificateHelp}>
        <span class="quiet what">{words.detection}</span>
        {rows.slice(0, 3).map(([value, name, against]) => (
          <span class="number" key={name} title={against}>
            <b>{value}</b>
            <small>{name}</small>
          </span>
        ))}
      </button>
      {open && (
        <div class="sheet" role="region" aria-label={words.detection}>
          <p>{words.certificateHelp}</p>
          <dl>
            {rows.map(([value, name, against, inThePlan]) => (
              <div key={name}>
                <dt>
                  <b>{value}</b> {name}
                </dt>
                <dd>{against}</dd>
                {inThePlan && <dd lang="en">{inThePlan}</dd>}
              </div>
            ))}
            <div>
              <dt>
                <b>{about(meta.detection_prob)}</b> {words.required}
              </dt>
            </div>
          </dl>
          <SmallPrint certificate={certificate} crossers={meta.crossers} words={words} />
        </div>
      )}
    </div>
  );
}

function SmallPrint({ certificate, crossers, words }: { certificate: Certificate; crossers: Meta['crossers']; words: Words }) {
  const floors = crossers.filter((c) => c.id in certificate.class_floors);
  return (
    <>
      <h3>{words.perClass}</h3>
      <ul>
        {floors.map((c) => (
          <li key={c.id}>
            {c.name}: {atLeast(certificate.class_floors[c.id]!)} {!c.required && `(${words.notRequired})`}
          </li>
        ))}
      </ul>
      {certificate.caveats.length > 0 && <h3>{words.caveats}</h3>}
      <ul lang="en">
        {certificate.caveats.map((c) => (
          <li key={c}>{c}</li>
        ))}
      </ul>
    </>
  );
}
