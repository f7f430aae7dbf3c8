// The map: one canvas, layers coloured from the grids that travel in the page, a probe that tells what is under it.
const RAMPS = {
  lit: ['#c98a2b', '#e8b04b', '#f6cf7e', '#fdeec6'],
  dusk: ['#27364a', '#34475e', '#46596f', '#5f7184'],
  far: ['#dfe0dc', '#e9e8e3', '#f2f0ec', '#faf9f7'],
  least: ['#ffe9a8', '#f3b65a', '#d9744a', '#a03a5c', '#541f5f', '#1f1440'],
  chance: ['#24354b', '#2c5a7a', '#2f8f8b', '#6fc27a', '#ffe07a'],
};
const VOID = [185, 169, 201], HIDDEN = 0, SEEN = 1, UNKNOWN = 2, OUT = 255, NONE = 65535;
const DOT = { 0: '#3c5068', 1: '#eebb5c', 2: '#b9a9c9', 255: '#cfd2cc' };
const LEAST_STEPS_M = [0, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const $ = (id) => document.getElementById(id);
const map = $('map'), pen = map.getContext('2d');
const view = { x: 0, y: 0, scale: 1 }; // map metres at the middle of the screen, and pixels for one metre
let data = null, facts = null, picture = null, layer = 'seen', probe = null, drawing = null, points = [], asked = 0;

const rgb = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
const TABLES = Object.fromEntries(Object.entries(RAMPS).map(([name, stops]) => {
  const colours = stops.map(rgb), table = new Uint8Array(256 * 3);
  for (let k = 0; k < 256; k++) {
    const at = (k / 255) * (colours.length - 1), i = Math.min(colours.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++) table[3 * k + c] = colours[i][c] + (at - i) * (colours[i + 1][c] - colours[i][c]);
  }
  return [name, table];
}));

async function inflate(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
async function unpack(name) { // uint16 grids come as differences along the rows, low bytes before high bytes
  if (!(name in facts.layers)) return null;
  const bytes = await inflate(facts.layers[name]), cells = facts.grid.rows * facts.grid.cols;
  if (bytes.length === cells) return bytes;
  const values = new Uint16Array(cells);
  for (let k = 0, sum = 0; k < cells; k++) values[k] = sum = (sum + bytes[k] + 256 * bytes[cells + k]) & 0xffff;
  return values;
}
async function show(given) {
  facts = given;
  const names = ['height', 'seen', 'least_height', 'slant', 'count', 'look', 'exposure', 'certain'];
  const grids = await Promise.all(names.map(unpack));
  data = Object.fromEntries(names.map((name, k) => [name, grids[k]]));
  const { rows, cols, z0_m, zq_m } = facts.grid;
  data.z = new Float32Array(rows * cols);
  for (let k = 0; k < data.z.length; k++) data.z[k] = data.height[k] === NONE ? NaN : z0_m + zq_m * data.height[k];
  data.shade = hillshade(data.z, rows, cols, facts.grid.step_m);
  if (!layerNames().includes(layer)) layer = 'seen';
  probe = null;
  paintLayer();
  say();
  whole();
  document.documentElement.dataset.map = 'ready';
}
const layerNames = () => ['seen', 'least_height', 'count', 'look', 'exposure', 'certain'].filter((name) => data[name] && (name !== 'count' || facts.route));

function hillshade(z, rows, cols, step) { // light from the north-west, 45 degrees high (Horn 1981)
  const shade = new Float32Array(z.length), s = Math.SQRT1_2, up = 1.4 / step;
  for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) {
    const k = r * cols + c;
    const n = (z[k - (r > 0 ? cols : 0)] - z[k + (r < rows - 1 ? cols : 0)]) * up / (r > 0 && r < rows - 1 ? 2 : 1);
    const e = (z[k + (c < cols - 1 ? 1 : 0)] - z[k - (c > 0 ? 1 : 0)]) * up / (c > 0 && c < cols - 1 ? 2 : 1);
    const light = (s - s * (-s * e + s * n)) / Math.sqrt(1 + e * e + n * n);
    shade[k] = Number.isNaN(light) ? s : Math.max(0, Math.min(1, light));
  }
  return shade;
}
function paintLayer() {
  const { rows, cols } = facts.grid, { z, shade, seen } = data;
  const image = new ImageData(cols, rows), out = image.data, low = facts.grid.low_m, span = Math.max(1, facts.grid.high_m - low);
  const grid = data[layer];
  for (let k = 0; k < z.length; k++) {
    let table = TABLES.far, dark = 0.62, light = 0.5, at = (z[k] - low) / span, flat = null;
    if (Number.isNaN(z[k]) && seen[k] === OUT) flat = [229, 229, 232];
    else if (seen[k] === UNKNOWN || (Number.isNaN(z[k]) && seen[k] !== OUT)) flat = VOID;
    else if (seen[k] !== OUT) {
      if (layer === 'seen') [table, dark, light] = seen[k] === SEEN ? [TABLES.lit, 0.42, 0.8] : [TABLES.dusk, 0.55, 0.75];
      else { [table, dark, light] = [layer === 'least_height' ? TABLES.least : TABLES.chance, 0.6, 0.5]; at = rank(grid[k]); }
    }
    if (flat) { out.set(flat, 4 * k); } else {
      const i = 3 * Math.max(0, Math.min(255, Math.round(255 * at))), lift = dark + light * shade[k];
      for (let c = 0; c < 3; c++) out[4 * k + c] = table[i + c] * lift;
    }
    out[4 * k + 3] = 255;
  }
  picture = new OffscreenCanvas(cols, rows);
  picture.getContext('2d').putImageData(image, 0, 0);
}
function rank(value) { // where on its ramp a layer's value lies, 0..1
  if (layer === 'least_height') {
    if (value === NONE) return 1;
    const m = value * facts.grid.least_q_m, n = LEAST_STEPS_M.length - 1;
    let k = 0;
    while (k < n && m >= LEAST_STEPS_M[k + 1]) k++;
    return k >= n ? 1 : (k + (m - LEAST_STEPS_M[k]) / (LEAST_STEPS_M[k + 1] - LEAST_STEPS_M[k])) / n;
  }
  if (layer === 'count') return value / Math.max(1, facts.most_count);
  return value === 255 ? 0 : value / 200;
}

// --- geometry

const toScreen = (x, y) => [map.clientWidth / 2 + (x - view.x) * view.scale, map.clientHeight / 2 - (y - view.y) * view.scale];
const toMap = (px, py) => [view.x + (px - map.clientWidth / 2) / view.scale, view.y - (py - map.clientHeight / 2) / view.scale];
function cellAt(x, y) {
  const { west_m, north_m, step_m, rows, cols } = facts.grid;
  const c = Math.floor((x - west_m) / step_m), r = Math.floor((north_m - y) / step_m);
  return r >= 0 && c >= 0 && r < rows && c < cols ? r * cols + c : -1;
}
function heightAt(x, y) {
  const { west_m, north_m, step_m, rows, cols } = facts.grid;
  const c = (x - west_m) / step_m - 0.5, r = (north_m - y) / step_m - 0.5;
  const c0 = Math.floor(c), r0 = Math.floor(r), fc = c - c0, fr = r - r0;
  if (r0 < 0 || c0 < 0 || r0 > rows - 2 || c0 > cols - 2) return NaN;
  const k = r0 * cols + c0, z = data.z;
  return (1 - fr) * ((1 - fc) * z[k] + fc * z[k + 1]) + fr * ((1 - fc) * z[k + cols] + fc * z[k + cols + 1]);
}
function position(x, y) { // lat, lon by bilinear interpolation in a fine table
  const { n, lat, lon, west_m, south_m, east_m, north_m } = facts.positions;
  const c = Math.max(0, Math.min(n - 1.0001, (x - west_m) / (east_m - west_m) * (n - 1)));
  const r = Math.max(0, Math.min(n - 1.0001, (y - south_m) / (north_m - south_m) * (n - 1)));
  const c0 = Math.floor(c), r0 = Math.floor(r), fc = c - c0, fr = r - r0, k = r0 * n + c0;
  const mix = (t) => (1 - fr) * ((1 - fc) * t[k] + fc * t[k + 1]) + fr * ((1 - fc) * t[k + n] + fc * t[k + n + 1]);
  const east = mix(lon);
  return [mix(lat), east > 180 ? east - 360 : east < -180 ? east + 360 : east];
}
function eyeFor(x, y, seen) { // the nearest point looked from; of seen ground the nearest that sees it
  const far = (eye) => Math.hypot(x - eye[0], y - eye[1]), near = facts.eyes.length < 2 ? facts.eyes : [...facts.eyes].sort((a, b) => far(a) - far(b));
  return (seen === SEEN && near.length > 1 && near.find((eye) => far(eye) <= facts.range_m && !profile(eye, x, y).first)) || near[0];
}

// --- drawing

function whole() { // the picture in the room that the cards leave
  const { west_m, north_m, step_m, rows, cols } = facts.grid, narrow = innerWidth <= 720;
  const card = $('about').getBoundingClientRect(), left = !narrow && innerWidth - card.right > 0.55 * innerWidth ? card.right : 0;
  const top = narrow ? card.bottom : 0, bottom = narrow ? $('dock').getBoundingClientRect().top - 24 : innerHeight - 24;
  view.scale = Math.min((innerWidth - left - 16) / (cols * step_m), (bottom - top - 12) / (rows * step_m));
  view.x = west_m + cols * step_m / 2 - left / 2 / view.scale;
  view.y = north_m - rows * step_m / 2 + ((top + bottom) / 2 - innerHeight / 2) / view.scale;
  draw();
}
function line(list, colour, width, dash = []) {
  pen.beginPath();
  list.forEach(([x, y], k) => pen[k ? 'lineTo' : 'moveTo'](...toScreen(x, y)));
  pen.setLineDash(dash);
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.stroke();
  pen.setLineDash([]);
}
function text(words, px, py, { size = 12, colour = '#1d2a33', align = 'left', bold = false } = {}) {
  pen.font = `${bold ? 650 : 500} ${size}px Inter, 'Segoe UI', system-ui, 'DejaVu Sans', sans-serif`;
  pen.textAlign = align;
  pen.textBaseline = 'middle';
  pen.lineJoin = 'round';
  pen.strokeStyle = 'rgb(255 255 255 / 0.9)';
  pen.lineWidth = 3.5;
  pen.strokeText(words, px, py);
  pen.fillStyle = colour;
  pen.fillText(words, px, py);
}
function dot(x, y, radius, fill, edge, width) {
  const [px, py] = toScreen(x, y);
  pen.beginPath();
  pen.arc(px, py, radius, 0, 7);
  pen.fillStyle = fill;
  pen.fill();
  pen.strokeStyle = edge;
  pen.lineWidth = width;
  pen.stroke();
}
let wanted = false;
function draw() {
  if (wanted || !picture) return;
  wanted = true;
  requestAnimationFrame(() => { wanted = false; paint(); });
}
function paint() {
  const ratio = devicePixelRatio || 1, wide = map.clientWidth, high = map.clientHeight;
  if (map.width !== Math.round(wide * ratio) || map.height !== Math.round(high * ratio)) [map.width, map.height] = [Math.round(wide * ratio), Math.round(high * ratio)];
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = '#eceae4';
  pen.fillRect(0, 0, wide, high);
  const { west_m, north_m, step_m, rows, cols } = facts.grid, [px, py] = toScreen(west_m, north_m);
  pen.imageSmoothingEnabled = view.scale * step_m < 7; // closer, the cells themselves are shown
  pen.imageSmoothingQuality = 'high';
  pen.drawImage(picture, px, py, cols * step_m * view.scale, rows * step_m * view.scale);
  paintRange();
  for (const part of facts.border) { line(part, 'rgb(255 255 255 / 0.85)', 4); line(part, '#a3122b', 2); }
  for (const place of facts.places) {
    dot(place.x_m, place.y_m, 3, '#1d2a33', 'white', 1);
    const [x, y] = toScreen(place.x_m, place.y_m);
    text(place.name, x + 7, y, { size: 11 });
  }
  paintEye();
  paintPoints();
  if (probe) paintProbe();
  paintScale(high);
}
function paintRange() {
  if (facts.route) { for (const ring of facts.edge) line(ring, '#1d2a33', 1.2); return; }
  const [x, y] = facts.eyes[0];
  facts.rings_m.forEach((ring, k) => {
    const [px, py] = toScreen(x, y), last = k === facts.rings_m.length - 1;
    pen.beginPath();
    pen.arc(px, py, ring * view.scale, 0, 7);
    pen.setLineDash(last ? [] : [6, 5]);
    pen.strokeStyle = last ? '#1d2a33' : 'rgb(255 255 255 / 0.6)';
    pen.lineWidth = last ? 1.3 : 1;
    pen.stroke();
    pen.setLineDash([]);
    const d = ring * view.scale * Math.SQRT1_2;
    if (d > 24) text(km(ring), px + d, py - d, { size: 11, align: 'center' });
  });
}
function paintEye() {
  const first = facts.eyes[0];
  if (facts.route) { line(facts.eyes, 'white', 5); line(facts.eyes, '#0b3d5c', 2.5); dot(first[0], first[1], 6, 'white', '#0b3d5c', 2.5); return; }
  dot(first[0], first[1], 9, 'rgb(255 255 255 / 0.25)', 'white', 5);
  dot(first[0], first[1], 9, 'rgb(255 255 255 / 0)', '#0b3d5c', 2.4);
  dot(first[0], first[1], 3, '#0b3d5c', 'white', 1);
}
function paintPoints() {
  if (!points.length) return;
  line(points, 'white', 5);
  line(points, '#c1121f', 2.5, [7, 4]);
  for (const [x, y] of points) dot(x, y, 5, 'white', '#c1121f', 2.5);
}
function paintProbe() {
  if (sightLine) for (const [from, to, colour] of sightLine) { line([from, to], 'rgb(255 255 255 / 0.75)', 3.4); line([from, to], colour, 1.6); }
  const [px, py] = toScreen(...probe);
  pen.strokeStyle = 'white';
  for (const [width, colour] of [[4, 'white'], [1.6, '#1d2a33']]) {
    pen.lineWidth = width;
    pen.strokeStyle = colour;
    pen.beginPath();
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) { pen.moveTo(px + 4 * dx, py + 4 * dy); pen.lineTo(px + 10 * dx, py + 10 * dy); }
    pen.stroke();
  }
}
function paintScale(high) {
  const most = 190 / view.scale, steps = [1, 2, 5].flatMap((s) => [1, 10, 100, 1e3, 1e4, 1e5].map((p) => s * p)).filter((s) => s <= most);
  const length = Math.max(1, ...steps), long = length * view.scale, narrow = innerWidth <= 720;
  const x = map.clientWidth / 2 - long / 2, y = narrow ? $('dock').getBoundingClientRect().top - 14 : high - 44;
  for (let k = 0; k < 4; k++) {
    pen.fillStyle = k % 2 ? 'white' : '#1d2a33';
    pen.fillRect(x + k * long / 4, y, long / 4, 6);
  }
  pen.strokeStyle = '#1d2a33';
  pen.lineWidth = 1;
  pen.strokeRect(x, y, long, 6);
  text('0', x, y - 10, { align: 'center', size: 11 });
  text(km(length), x + long, y - 10, { align: 'center', size: 11 });
}

// --- the probe: what is under the pointer, and why

let sightLine = null;
function probeAt(x, y) {
  const k = cellAt(x, y);
  if (k < 0) return;
  probe = [x, y];
  $('probe').hidden = false; // before the profile is drawn, which asks how wide it is
  const seen = data.seen[k], ground = data.z[k], eye = eyeFor(x, y, seen), sight = seen === OUT ? null : showProfile(eye, x, y, seen);
  const [lat, lon] = position(x, y), rows = [[w().latlon, latlon(lat, lon)]];
  rows.push([w().height, Number.isNaN(ground) ? w().noHeight : `${num(ground)} ${w().aboveSea}`]);
  const slant = data.slant ? (data.slant[k] === NONE ? NaN : data.slant[k] * facts.grid.slant_q_m) : Math.hypot(x - eye[0], y - eye[1], ground + facts.target_height_m - eye[2]);
  if (!Number.isNaN(slant)) rows.push([w().slant, km(slant)]);
  if (data.least_height && data.least_height[k] !== NONE) {
    const least = data.least_height[k] * facts.grid.least_q_m;
    rows.push([w().least, least < 0.05 ? w().groundItself : `${num(least, least < 20 ? 1 : 0)} m`]);
  }
  if (facts.route && seen !== OUT) rows.push([w().count, w().points(data.count[k], facts.route.stations)]);
  for (const name of ['look', 'exposure', 'certain']) if (data[name] && data[name][k] !== 255) rows.push([w()[name], pct(data[name][k] / 200)]);
  const verdict = seen === HIDDEN && sight && sight.by && !facts.route ? w().hiddenBehind(sight.by) : w().verdicts[seen];
  $('verdict').replaceChildren(Object.assign(document.createElement('i'), {}), verdict);
  $('verdict').firstChild.style.background = DOT[seen];
  $('figures').replaceChildren(...rows.flatMap(([name, value]) => [['dt', name], ['dd', value]].map(([tag, words]) => Object.assign(document.createElement(tag), { textContent: words }))));
  $('live').textContent = `${verdict}. ${rows.map((row) => row.join(' ')).join('. ')}`;
  draw();
}
function profile(eye, x, y) { // heights along the way, the earth's curve taken off, so that the sight line is straight
  const far = Math.hypot(x - eye[0], y - eye[1]), n = Math.max(2, Math.min(400, Math.ceil(far / facts.grid.step_m * 2)));
  const bend = facts.curvature_per_m, ground = [];
  for (let k = 0; k <= n; k++) {
    const t = k / n, d = t * far;
    ground.push(heightAt(eye[0] + t * (x - eye[0]), eye[1] + t * (y - eye[1])) - bend * d * d);
  }
  const top = ground[n] + facts.target_height_m;
  let by = 0, worst = 0, first = 0; // the ridge highest over the sight line, and where the line first meets ground
  for (let k = 1; k < n - 1; k++) {
    const over = ground[k] - (eye[2] + (k / n) * (top - eye[2]));
    if (over > 0 && !first) first = (k / n) * far;
    if (over > worst) { worst = over; by = (k / n) * far; }
  }
  return { ground, top, far, by, first };
}
function showProfile(eye, x, y, seen) {
  const { ground, top, far, by, first } = profile(eye, x, y);
  const blocked = seen === HIDDEN && by > 0, at = blocked ? first / far : 1, middle = [eye[0] + at * (x - eye[0]), eye[1] + at * (y - eye[1])];
  const good = seen === UNKNOWN ? '#6b4f8a' : '#b26a00';
  sightLine = blocked ? [[eye, middle, good], [middle, [x, y], '#27364a']] : [[eye, [x, y], good]];
  paintProfile(ground, eye[2], top, at, seen);
  return { by: blocked ? by : 0 };
}
function paintProfile(ground, from, to, at, seen) {
  const sheet = $('profile'), ratio = devicePixelRatio || 1, wide = sheet.clientWidth || 300, high = sheet.clientHeight || 92;
  sheet.width = wide * ratio;
  sheet.height = high * ratio;
  sheet.setAttribute('aria-label', w().profile);
  const p = sheet.getContext('2d');
  p.scale(ratio, ratio);
  const known = ground.filter((z) => !Number.isNaN(z)), low = Math.min(...known), up = Math.max(...known, from, to), span = Math.max(20, up - low);
  const px = (t) => 4 + t * (wide - 8), py = (z) => high - 6 - (z - low) / span * (high - 20), n = ground.length - 1;
  p.beginPath();
  p.moveTo(px(0), high);
  ground.forEach((z, k) => p.lineTo(px(k / n), Number.isNaN(z) ? high : py(z)));
  p.lineTo(px(1), high);
  p.fillStyle = '#b9a98a';
  p.fill();
  const middle = from + at * (to - from);
  for (const [a, za, b, zb, colour, dash] of [[0, from, at, middle, seen === UNKNOWN ? '#6b4f8a' : '#b26a00', []], [at, middle, 1, to, '#27364a', [4, 4]]]) {
    p.beginPath();
    p.moveTo(px(a), py(za));
    p.lineTo(px(b), py(zb));
    p.setLineDash(dash);
    p.strokeStyle = colour;
    p.lineWidth = 2;
    p.stroke();
  }
  p.setLineDash([]);
  for (const [t, z, colour] of [[0, from, '#0b3d5c'], [1, to, DOT[seen]]]) {
    p.beginPath();
    p.arc(px(t), py(z), 4, 0, 7);
    p.fillStyle = colour;
    p.fill();
    p.strokeStyle = 'white';
    p.lineWidth = 1.5;
    p.stroke();
  }
}
