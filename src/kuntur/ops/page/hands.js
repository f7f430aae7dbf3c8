// Words on the page, mouse, touch and keys, and, where a server stands behind it, drawing.

function say() {
  document.documentElement.lang = language;
  const f = facts, words = w(), what = f.target_height_m > 0 ? words.targets[f.target] : words.targets.ground;
  $('title').textContent = f.route ? `${words.seenAlong} ${km(f.route.length_m)}` : `${words.seenFrom} ${latlon(f.lat_deg, f.lon_deg, 4)}`;
  document.title = `${$('title').textContent} · Kuntur`;
  $('summary').textContent = `${f.route ? words.along(f) : words.from(f)}, ${words.seenOn(f, what)}${words.hiddenBy(f)}${words.unknownOn(f)}`;
  $('conditions').textContent = words.eyeHeight(f) + (f.camera ? words.byCamera(f) : '') + (f.sector ? words.inSector : '') + (f.links.length ? words.radio(f) : '') + words.grid(f);
  $('badge').hidden = !f.sketched;
  $('badge').textContent = words.sketched;
  $('credit').textContent = [...f.attributions, ...f.notes, `${f.title} · Kuntur`].join(' · ');
  $('language').textContent = language === 'en' ? 'ES' : 'EN';
  $('keys').textContent = words.keys;
  map.setAttribute('aria-label', words.map);
  for (const [id, name] of [['language', words.other], ['closer', words.closer], ['wider', words.wider], ['whole', words.whole]]) {
    $(id).setAttribute('aria-label', name);
    $(id).title = name;
  }
  sayDrawing();
  sayLayers();
}
function sayLayers() {
  const box = $('layers'), names = layerNames();
  box.setAttribute('aria-label', w().layersName);
  box.replaceChildren();
  for (const name of names) {
    const label = document.createElement('label'), input = document.createElement('input');
    Object.assign(input, { type: 'radio', name: 'layer', value: name, checked: name === layer });
    input.addEventListener('change', () => choose(name));
    label.append(input, w().layers[name]);
    box.append(label);
  }
  const legend = document.createElement('div');
  legend.id = 'legend';
  if (layer === 'seen') {
    [SEEN, HIDDEN, ...(facts.unknown_km2 > 0 ? [UNKNOWN] : [])].forEach((value) => {
      const entry = document.createElement('span'), swatch = document.createElement('i');
      swatch.style.background = DOT[value];
      entry.append(swatch, w().legend[{ [SEEN]: 0, [HIDDEN]: 1, [UNKNOWN]: 2 }[value]]);
      legend.append(entry);
    });
    box.append(legend);
    return;
  }
  const ramp = document.createElement('div'), ends = document.createElement('div');
  ramp.id = 'ramp';
  ends.id = 'ends';
  ramp.style.background = `linear-gradient(90deg, ${RAMPS[layer === 'least_height' ? 'least' : 'chance'].join(', ')})`;
  const marks = layer === 'least_height' ? ['0 m', '10', '50', '200', '> 1000'] : layer === 'count' ? ['0', num(facts.most_count)] : ['0 %', '50 %', '100 %'];
  ends.append(...marks.map((words) => Object.assign(document.createElement('span'), { textContent: words })));
  box.append(ramp, ends);
}
function choose(name) {
  layer = name;
  paintLayer();
  sayLayers();
  $('layers').querySelector('input:checked').focus({ preventScroll: true });
  draw();
}

// --- moving about

function zoom(factor, px = map.clientWidth / 2, py = map.clientHeight / 2) {
  const [x, y] = toMap(px, py), wide = facts.grid.cols * facts.grid.step_m;
  view.scale = Math.max(0.3 * map.clientWidth / wide, Math.min(60 / facts.grid.step_m, view.scale * factor));
  const [nx, ny] = toMap(px, py);
  view.x += x - nx;
  view.y += y - ny;
  draw();
}
const held = new Map();
let moved = 0;
map.addEventListener('pointerdown', (event) => {
  map.setPointerCapture(event.pointerId);
  held.set(event.pointerId, [event.offsetX, event.offsetY]);
  moved = 0;
});
map.addEventListener('pointermove', (event) => {
  if (!facts) return;
  const before = held.get(event.pointerId), now = [event.offsetX, event.offsetY];
  if (!before) { if (event.pointerType === 'mouse') probeAt(...toMap(...now)); return; }
  if (held.size === 2) {
    const other = [...held].find(([id]) => id !== event.pointerId)[1], middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
    zoom(Math.hypot(now[0] - other[0], now[1] - other[1]) / Math.max(1, Math.hypot(before[0] - other[0], before[1] - other[1])), ...middle);
  } else {
    view.x -= (now[0] - before[0]) / view.scale;
    view.y += (now[1] - before[1]) / view.scale;
    draw();
  }
  moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
  held.set(event.pointerId, now);
});
for (const kind of ['pointerup', 'pointercancel']) map.addEventListener(kind, (event) => {
  const tap = held.delete(event.pointerId) && kind === 'pointerup' && moved < 5;
  if (tap && facts) place(...toMap(event.offsetX, event.offsetY));
});
map.addEventListener('wheel', (event) => { event.preventDefault(); if (facts) zoom(Math.exp(-event.deltaY * 0.0016), event.offsetX, event.offsetY); }, { passive: false });
map.addEventListener('dblclick', (event) => { event.preventDefault(); if (drawing === 'route') finish(); });
map.addEventListener('keydown', (event) => {
  if (!facts || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (step && event.shiftKey) { view.x += step[0] * 80 / view.scale; view.y += step[1] * 80 / view.scale; draw(); }
  else if (step) {
    const by = Math.max(facts.grid.step_m, 8 / view.scale), from = probe || facts.eyes[0];
    probeAt(from[0] + step[0] * by, from[1] + step[1] * by);
  } else if (event.key === '+' || event.key === '=') zoom(1.4);
  else if (event.key === '-') zoom(1 / 1.4);
  else if (event.key === '0') whole();
  else if (event.key === 'l' || event.key === 'L') { const names = layerNames(); choose(names[(names.indexOf(layer) + 1) % names.length]); map.focus(); }
  else if (event.key === 'Enter' && drawing === 'route' ) finish();
  else if (event.key === ' ' && drawing && probe) place(...probe);
  else if (event.key === 'Escape') { setDrawing(null); }
  else return;
  event.preventDefault();
});
$('closer').addEventListener('click', () => zoom(1.5));
$('wider').addEventListener('click', () => zoom(1 / 1.5));
$('whole').addEventListener('click', whole);
$('language').addEventListener('click', () => { language = language === 'en' ? 'es' : 'en'; say(); if (probe) probeAt(...probe); });
addEventListener('resize', draw);

// --- drawing: only where the page came from `kuntur see --open`

let token = '';
function sayDrawing() {
  const words = w();
  $('move').textContent = words.move;
  $('route').textContent = words.route;
  $('height-label').textContent = words.heightLabel;
  $('range-label').textContent = words.rangeLabel;
  $('hint').textContent = asked ? words.looking : drawing === 'move' ? words.hintMove : drawing === 'route' ? words.hintRoute : words.hintIdle;
}
function setDrawing(kind) {
  drawing = kind;
  points = [];
  for (const id of ['move', 'route']) $(id).setAttribute('aria-pressed', String(drawing === id));
  sayDrawing();
  draw();
}
function place(x, y) {
  if (!drawing || cellAt(x, y) < 0) { probeAt(x, y); return; }
  const last = points[points.length - 1];
  if (last && Math.hypot(x - last[0], y - last[1]) * view.scale < 4) return; // the second click of a double one
  points = drawing === 'move' ? [[x, y]] : [...points, [x, y]];
  if (drawing === 'move') finish();
  draw();
}
function finish() {
  const spots = points.map(([x, y]) => position(x, y)), enough = drawing === 'route' ? 2 : 1;
  if (spots.length < enough) return;
  if (!$('draw').reportValidity()) { if (drawing === 'move') points = []; return; }
  ask({ points: spots, height_agl_m: Number($('height').value), max_range_m: 1000 * Number($('range').value) });
}
async function ask(wish) {
  asked += 1;
  document.body.classList.add('busy');
  $('trouble').hidden = true;
  sayDrawing();
  try {
    const answer = await fetch('/api/look', { method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` }, body: JSON.stringify(wish) });
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error([body.detail, body.remedy].filter(Boolean).join(' ') || w().failed);
    drawing = null;
    await show(body);
    setDrawing(null);
  } catch (trouble) {
    points = [];
    $('trouble').textContent = trouble instanceof TypeError ? w().failed : trouble.message;
    $('trouble').hidden = false;
  } finally {
    asked -= 1;
    document.body.classList.remove('busy');
    sayDrawing();
    draw();
  }
}
$('move').addEventListener('click', () => { setDrawing(drawing === 'move' ? null : 'move'); map.focus(); });
$('route').addEventListener('click', () => { setDrawing(drawing === 'route' ? null : 'route'); map.focus(); });
$('draw').addEventListener('submit', (event) => { event.preventDefault(); if (drawing === 'route') finish(); });

async function start() {
  const given = JSON.parse($('data').textContent);
  if (!given.served) { await show(given); return; }
  token = new URLSearchParams(location.hash.slice(1)).get('token') || sessionStorage.getItem('token') || '';
  sessionStorage.setItem('token', token);
  history.replaceState(null, '', location.pathname);
  const answer = await fetch('/api/view', { headers: { authorization: `Bearer ${token}` } });
  if (!answer.ok) { $('title').textContent = (await answer.json().catch(() => ({}))).detail || w().failed; return; }
  await show(await answer.json());
  $('height').value = Math.round(facts.route ? facts.route.lowest_m : facts.height_agl_m);
  $('range').value = facts.range_m / 1000;
  $('draw').hidden = false;
}
start();
