import { clock, km } from '../format.ts';
import type { AlertView, Severity } from '../wire.ts';
import type { Language, Words } from '../words.ts';
import { SeveritySign } from './signs.tsx';

const RANK: Record<Severity, number> = { urgent: 0, warning: 1, info: 2 };
const OLD_SHOWN = 30;

interface Props {
  alerts: AlertView[];
  pending: ReadonlySet<string>;
  failed: ReadonlyMap<string, string>;
  chosen: string | null;
  offsetH: number;
  words: Words;
  language: Language;
  onPick(alert: AlertView): void;
  onAcknowledge(alert: AlertView): void;
}

/** Open ones first, the gravest on top; then what was seen to, newest first. */
export function Alerts(props: Props) {
  const { alerts, pending, words } = props;
  const done = (a: AlertView) => a.acknowledged || pending.has(a.id);
  const open = alerts.filter((a) => !done(a)).sort((a, b) => RANK[a.severity] - RANK[b.severity] || b.t_ns - a.t_ns);
  const old = alerts.filter(done).sort((a, b) => b.t_ns - a.t_ns).slice(0, OLD_SHOWN);
  return (
    <section class="panel alerts" aria-label={words.alerts}>
      <h2>
        {words.alerts}
        <span class={open.length ? 'count hot' : 'count'}>
          {open.length} {words.open}
        </span>
      </h2>
      {alerts.length === 0 && <p class="quiet empty">{words.noAlerts}</p>}
      <ul aria-live="polite">
        {[...open, ...old].map((a) => (
          <Item key={a.id} alert={a} done={done(a)} {...props} />
        ))}
      </ul>
    </section>
  );
}

function Item({ alert: a, done, failed, chosen, pending, offsetH, words, language, onPick, onAcknowledge }: Props & { alert: AlertView; done: boolean }) {
  const text = language === 'es' ? a.text_es : a.text_en;
  const classes = ['alert', a.severity, done ? 'done' : 'open', chosen === a.id ? 'chosen' : ''].join(' ');
  return (
    <li class={classes} data-alert={a.id}>
      <button class="plain story" onClick={() => onPick(a)} disabled={a.lat_deg === null} title={a.lat_deg === null ? undefined : words.showOnMap}>
        <span class="head">
          <SeveritySign severity={a.severity} title={words[a.severity]} />
          <time>{clock(a.t_ns, offsetH)}</time>
          {a.chainage_m !== null && <span class="where">km {km(a.chainage_m)}</span>}
        </span>
        <span class="text">{text}</span>
      </button>
      {done ? (
        <p class="quiet seen">
          {a.acknowledged ? '✓' : '…'} {words.acknowledged}
          {a.acknowledged_by && ` ${words.by} ${a.acknowledged_by}`}
        </p>
      ) : (
        <button class="acknowledge" onClick={() => onAcknowledge(a)} disabled={pending.has(a.id)}>
          {words.acknowledge}
        </button>
      )}
      {failed.has(a.id) && (
        <p class="warn">
          {words.notSaved}
          {failed.get(a.id)}
        </p>
      )}
    </li>
  );
}
