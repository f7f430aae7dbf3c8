import { about, atLeast, clockOf } from '../format.ts';
import type { Certificate, Seen } from '../wire.ts';
import type { Words } from '../words.ts';

interface Props {
  seen: Seen;
  certificate: Certificate | null;
  words: Words;
}

const WIDE = 560;
const HIGH = 118;
const LEFT = 42;
const RIGHT = 14;
const BASE = 16; // below the axis, for the kilometres
const TICKS = [1, 2, 5, 10, 20, 50, 100, 200];

/** Exposure along the border: for each part, what is proven against who must start there, and the best route found. */
export function Border({ seen, certificate, words }: Props) {
  const length = seen.edges_m.at(-1)!;
  const x = (m: number) => LEFT + ((WIDE - LEFT - RIGHT) * m) / length;
  const y = (prob: number) => 4 + (HIGH - BASE - 4) * (1 - prob);
  const part = (i: number) => [x(seen.edges_m[i]!), x(seen.edges_m[i + 1]!)] as const;
  const tick = TICKS.find((k) => (length / 1000 / k) * 44 < WIDE) ?? 500;
  const kms = Array.from({ length: Math.floor(length / 1000 / tick) + 1 }, (_, k) => k * tick);
  const hours = `${clockOf(seen.from_s)}–${clockOf(seen.until_s)}`;
  return (
    <section class="panel border" aria-label={words.borderChart}>
      <h2>
        {words.borderChart}
        <span title={words.modelled}>
          {seen.crosser_name} · {hours} h
        </span>
      </h2>
      <svg viewBox={`0 0 ${WIDE} ${HIGH}`} role="img" aria-label={words.borderChart}>
        {[0, 0.5, 1].map((prob) => (
          <g key={prob}>
            <line class="grid" x1={LEFT} x2={WIDE - RIGHT} y1={y(prob)} y2={y(prob)} />
            <text x={LEFT - 5} y={y(prob) + 4} text-anchor="end">
              {100 * prob} %
            </text>
          </g>
        ))}
        {kms.map((km) => (
          <text key={km} x={x(km * 1000)} y={HIGH - 3} text-anchor="middle">
            {km === 0 ? 'km 0' : km}
          </text>
        ))}
        {seen.floor_prob.map((floor, i) => {
          const [from, to] = part(i);
          const found = seen.attack_prob[i] ?? null;
          const where = `km ${seen.edges_m[i]! / 1000}–${seen.edges_m[i + 1]! / 1000}`;
          const said = floor === null ? words.noWay : `${atLeast(floor)} ${words.floorFrom}`;
          return (
            <g key={i} class="part" data-part={i} data-floor={floor ?? ''} data-attack={found ?? ''}>
              <title>{[where, said, ...(found === null ? [] : [`${about(found)} ${words.routesOf}`])].join('\n')}</title>
              <rect class="whole" x={from} y={y(1)} width={to - from} height={y(0) - y(1)} />
              {floor !== null && <rect class="floor" x={from} y={y(floor)} width={to - from} height={y(0) - y(floor)} />}
              {found !== null && <line class="found" x1={from} x2={to} y1={y(found)} y2={y(found)} />}
            </g>
          );
        })}
        {certificate && <line class="all" x1={LEFT} x2={WIDE - RIGHT} y1={y(certificate.floor_planning)} y2={y(certificate.floor_planning)} />}
      </svg>
      <ul class="keys">
        <li title={seen.attacker}>
          <i class="found" />
          {words.routesOf}
        </li>
        <li title={certificate?.attackers.floor}>
          <i class="floor" />
          {words.floorFrom}
        </li>
        {certificate && (
          <li>
            <i class="all" />
            {words.floorAll} {atLeast(certificate.floor_planning)}
          </li>
        )}
      </ul>
    </section>
  );
}
