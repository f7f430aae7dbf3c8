/** The map's small signs, drawn here: shape tells them apart before colour does. */

export interface Picture {
  width: number;
  height: number;
  data: Uint8ClampedArray;
}

type Draw = (c: CanvasRenderingContext2D) => void;

function draw(size: number, ratio: number, paint: Draw): Picture {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = size * ratio;
  const c = canvas.getContext('2d')!;
  c.scale(ratio, ratio);
  c.translate(size / 2, size / 2);
  c.lineJoin = c.lineCap = 'round';
  paint(c);
  const image = c.getImageData(0, 0, canvas.width, canvas.height);
  return { width: canvas.width, height: canvas.height, data: image.data };
}

function shape(c: CanvasRenderingContext2D, points: [number, number][], fill: string, edge: string, width = 1.5) {
  c.beginPath();
  points.forEach(([x, y], i) => (i ? c.lineTo(x, y) : c.moveTo(x, y)));
  c.closePath();
  c.lineWidth = width;
  c.strokeStyle = edge;
  c.stroke();
  c.fillStyle = fill;
  c.fill();
}

const DARK = '#101820';
const LIGHT = '#f7f3e8';

const SIGNS: Record<string, [number, Draw]> = {
  base: [
    22,
    (c) => {
      c.beginPath();
      c.roundRect(-8, -8, 16, 16, 4);
      c.fillStyle = LIGHT;
      c.fill();
      c.lineWidth = 1.6;
      c.strokeStyle = DARK;
      c.stroke();
      c.beginPath();
      c.moveTo(-3.2, -4);
      c.lineTo(-3.2, 4);
      c.moveTo(3.2, -4);
      c.lineTo(3.2, 4);
      c.moveTo(-3.2, 0);
      c.lineTo(3.2, 0);
      c.lineWidth = 2;
      c.stroke();
    },
  ],
  peak: [12, (c) => shape(c, [[0, -4.5], [4.6, 3.6], [-4.6, 3.6]], LIGHT, DARK)],
  pass: [
    14,
    (c) => {
      for (const [width, colour] of [[4.4, DARK], [2, LIGHT]] as const) {
        c.beginPath();
        c.moveTo(-4, -4.5);
        c.quadraticCurveTo(-1.2, 0, -4, 4.5);
        c.moveTo(4, -4.5);
        c.quadraticCurveTo(1.2, 0, 4, 4.5);
        c.lineWidth = width;
        c.strokeStyle = colour;
        c.stroke();
      }
    },
  ],
  village: [
    10,
    (c) => {
      c.beginPath();
      c.arc(0, 0, 3, 0, 7);
      c.fillStyle = LIGHT;
      c.fill();
      c.lineWidth = 1.5;
      c.strokeStyle = DARK;
      c.stroke();
    },
  ],
  lake: [
    10,
    (c) => {
      c.beginPath();
      c.ellipse(0, 0, 4, 2.6, 0, 0, 7);
      c.fillStyle = '#56b4e9';
      c.fill();
      c.lineWidth = 1.2;
      c.strokeStyle = DARK;
      c.stroke();
    },
  ],
  track: [20, (c) => shape(c, [[0, -7], [7, 0], [0, 7], [-7, 0]], '#ff5a1f', '#ffffff', 2.4)],
  'track-tentative': [
    18,
    (c) => {
      shape(c, [[0, -5.5], [5.5, 0], [0, 5.5], [-5.5, 0]], 'rgba(16,24,32,0.75)', DARK, 4.4);
      shape(c, [[0, -5.5], [5.5, 0], [0, 5.5], [-5.5, 0]], 'rgba(16,24,32,0.75)', '#f0e442', 2);
    },
  ],
};

export const RATIO = 2;

export function signs(): [string, Picture][] {
  return Object.entries(SIGNS).map(([name, [size, paint]]) => [name, draw(size, RATIO, paint)]);
}

/** Both aircraft silhouettes side by side, white with a dark edge, noses up: deck.gl's atlas. */
export const ATLAS_CELL = 96;

export function aircraftAtlas(fill: string, edge: string): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = ATLAS_CELL * 2;
  canvas.height = ATLAS_CELL;
  const c = canvas.getContext('2d')!;
  c.lineJoin = c.lineCap = 'round';
  const wing = new Path2D(
    'M0 -40 C5 -40 6 -30 6 -22 L6 -10 L42 4 L42 12 L6 8 L5 26 L16 34 L16 40 L0 37 L-16 40 L-16 34 L-5 26 L-6 8 L-42 12 L-42 4 L-6 -10 L-6 -22 C-6 -30 -5 -40 0 -40 Z',
  );
  const rotors = new Path2D();
  for (const [x, y] of [[-26, -24], [26, -24], [-26, 24], [26, 24]] as const) {
    rotors.moveTo(x + 13, y);
    rotors.arc(x, y, 13, 0, 2 * Math.PI);
  }
  const arms = new Path2D('M-26 -24 L26 24 M26 -24 L-26 24');
  const body = new Path2D('M0 -34 L11 -6 L9 14 L-9 14 L-11 -6 Z');

  const paint = (path: Path2D, width: number) => {
    c.lineWidth = width;
    c.strokeStyle = edge;
    c.stroke(path);
    c.fillStyle = fill;
    c.fill(path);
  };
  c.save();
  c.translate(ATLAS_CELL / 2, ATLAS_CELL / 2);
  paint(wing, 8);
  c.restore();
  c.translate(ATLAS_CELL * 1.5, ATLAS_CELL / 2);
  for (const [colour, extra] of [[edge, 8], [fill, 0]] as const) {
    c.strokeStyle = colour;
    c.lineWidth = 6 + extra;
    c.stroke(arms);
    c.stroke(rotors);
  }
  paint(body, 7);
  return canvas;
}
