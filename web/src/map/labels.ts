/** Pure: on which side of its sign each label stands, so that labels near each other stay legible. */

export type Side = 'right' | 'left' | 'below' | 'above';

export interface Sign {
  x: number;
  y: number;
  /** Size of the label in pixels. */
  width: number;
  height: number;
}

type Box = [number, number, number, number];

const GAP_PX = 22;
const SIGN_PX = 16;
const SIDES: Side[] = ['right', 'left', 'below', 'above'];

function box(s: Sign, side: Side): Box {
  const left = { right: s.x + GAP_PX, left: s.x - GAP_PX - s.width, below: s.x - s.width / 2, above: s.x - s.width / 2 }[side];
  const top = { right: s.y - s.height / 2, left: s.y - s.height / 2, below: s.y + GAP_PX, above: s.y - GAP_PX - s.height }[side];
  return [left, top, left + s.width, top + s.height];
}

const overlap = (a: Box, b: Box) =>
  Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));

/** Greedy, in the order given: the first side that hides least of all signs and of the labels already placed. */
export function sides(signs: Sign[], others: { x: number; y: number }[] = []): Side[] {
  const taken: Box[] = [...signs, ...others].map((s) => [s.x - SIGN_PX, s.y - SIGN_PX, s.x + SIGN_PX, s.y + SIGN_PX]);
  return signs.map((s) => {
    const hidden = SIDES.map((side) => taken.reduce((sum, b) => sum + overlap(box(s, side), b), 0));
    const best = SIDES[hidden.indexOf(Math.min(...hidden))]!;
    taken.push(box(s, best));
    return best;
  });
}
