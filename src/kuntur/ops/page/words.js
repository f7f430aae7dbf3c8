// Every word of the page, in English and Spanish, and how numbers are written.
const WORDS = {
  en: {
    other: 'Español', seenFrom: 'Seen from', seenAlong: 'Seen along', closer: 'Closer', wider: 'Wider', whole: 'Whole picture',
    map: 'Map of what is seen', layersName: 'What is shown',
    from: (f) => `From ${num(f.height_agl_m)} m above the ground (${num(f.alt_msl_m)} m above the sea)`,
    along: (f) => `From ${f.route.stations} points, ${span(f.route, 'to')} m above the ground`,
    seenOn: (f, what) => `${what} on ${area(f.seen_km2)} of ${area(f.looked_km2)} within ${km(f.range_m)}: ${pct(f.seen_km2 / f.looked_km2)}.`,
    targets: { person: 'a person would be in sight', pack_animal: 'a pack animal would be in sight', light_vehicle: 'a light vehicle would be in sight', truck: 'a truck would be in sight', ground: 'the ground is in sight' },
    hiddenBy: (f) => ` Hidden: ${pct(f.hidden_km2 / f.looked_km2)}` + (f.hider ? `, the largest share to the ${WORDS.en.compass[f.hider.octant]}, behind ground ${km(f.hider.distance_m)} away that rises to ${num(f.hider.alt_msl_m)} m.` : '.'),
    unknownOn: (f) => (f.unknown_km2 > 0 ? ` Unknown: ${pct(f.unknown_km2 / f.looked_km2)}, where the terrain is void or the data end.` : ''),
    compass: ['north', 'north-east', 'east', 'south-east', 'south', 'south-west', 'west', 'north-west'],
    sketched: 'SKETCHED TERRAIN: no survey, not for flying',
    eyeHeight: (f) => `Sight must reach down to ${num(f.target_height_m, 1)} m above the ground.`,
    byCamera: (f) => ` Camera: ${f.camera}, by ${f.light}.`, light: { day: 'day', night: 'night' },
    inSector: ' Only the camera’s sector is looked at.',
    radio: (f) => ` Radio: ${f.links.map((one) => `${one.base} ${reached(f, one, 'yes', 'no')}`).join(', ')}.`,
    grid: (f) => ` Cells of ${num(f.grid.cell_m, 1)} m` + (f.grid.stride > 1 ? `; this page shows every ${f.grid.stride}th.` : '.'),
    layers: { seen: 'What is seen', least_height: 'How tall to be seen', count: 'Seen from how many points', look: 'Chance in one look', exposure: 'Chance on the flight', certain: 'Chance of being in sight' },
    legend: ['seen', 'hidden', 'unknown'],
    verdicts: { 0: 'Hidden', 1: 'Seen', 2: 'Unknown', 255: 'Not looked at' },
    hiddenBehind: (d) => `Hidden behind ground ${km(d)} from the eye`,
    latlon: 'Position', height: 'Ground', slant: 'Slant range', least: 'Seen if taller than', groundItself: '0: the ground is seen', count: 'Seen from', look: 'One look', exposure: 'Whole flight', certain: 'In sight', points: (n, of) => `${n} of ${of} points`,
    aboveSea: 'm above the sea', noHeight: 'no height', profile: 'Ground and sight line from the eye to this place',
    move: 'Move the eye', route: 'Draw a route', heightLabel: 'Above ground, m', rangeLabel: 'Range, km',
    hintIdle: 'Move the eye, or draw a route and get its picture.', hintMove: 'Click where the eye should be.',
    hintRoute: 'Click the points of the route; Enter or a double click ends it, Escape drops it.', looking: 'Looking …',
    keys: 'Arrow keys move the probe, with Shift the map. Plus and minus zoom, 0 shows all, L changes the layer. While drawing, Space sets a point and Enter ends.',
    failed: 'No answer. Is kuntur still running?', eye: 'Eye', start: 'Start of the route',
  },
  es: {
    other: 'English', seenFrom: 'Visto desde', seenAlong: 'Visto a lo largo de', closer: 'Acercar', wider: 'Alejar', whole: 'Imagen entera',
    map: 'Mapa de lo que se ve', layersName: 'Qué se muestra',
    from: (f) => `Desde ${num(f.height_agl_m)} m sobre el suelo (${num(f.alt_msl_m)} m sobre el mar)`,
    along: (f) => `Desde ${f.route.stations} puntos, a ${span(f.route, 'a')} m sobre el suelo`,
    seenOn: (f, what) => `${what} en ${area(f.seen_km2)} de ${area(f.looked_km2)} a menos de ${km(f.range_m)}: ${pct(f.seen_km2 / f.looked_km2)}.`,
    targets: { person: 'se vería a una persona', pack_animal: 'se vería un animal de carga', light_vehicle: 'se vería un vehículo ligero', truck: 'se vería un camión', ground: 'se ve el suelo' },
    hiddenBy: (f) => ` Oculto: ${pct(f.hidden_km2 / f.looked_km2)}` + (f.hider ? `, sobre todo hacia el ${WORDS.es.compass[f.hider.octant]}, tras terreno a ${km(f.hider.distance_m)} que llega a ${num(f.hider.alt_msl_m)} m.` : '.'),
    unknownOn: (f) => (f.unknown_km2 > 0 ? ` Desconocido: ${pct(f.unknown_km2 / f.looked_km2)}, donde faltan datos del terreno.` : ''),
    compass: ['norte', 'noreste', 'este', 'sureste', 'sur', 'suroeste', 'oeste', 'noroeste'],
    sketched: 'TERRENO EN BOCETO: sin levantamiento, no apto para volar',
    eyeHeight: (f) => `La vista debe llegar hasta ${num(f.target_height_m, 1)} m sobre el suelo.`,
    byCamera: (f) => ` Cámara: ${f.camera}, de ${WORDS.es.light[f.light]}.`, light: { day: 'día', night: 'noche' },
    inSector: ' Solo se mira el sector de la cámara.',
    radio: (f) => ` Radio: ${f.links.map((one) => `${one.base} ${reached(f, one, 'sí', 'no')}`).join(', ')}.`,
    grid: (f) => ` Celdas de ${num(f.grid.cell_m, 1)} m` + (f.grid.stride > 1 ? `; esta página muestra una de cada ${f.grid.stride}.` : '.'),
    layers: { seen: 'Lo que se ve', least_height: 'Altura para ser visto', count: 'Visto desde cuántos puntos', look: 'Probabilidad en una mirada', exposure: 'Probabilidad en el vuelo', certain: 'Probabilidad de estar a la vista' },
    legend: ['visto', 'oculto', 'desconocido'],
    verdicts: { 0: 'Oculto', 1: 'Visto', 2: 'Desconocido', 255: 'No se mira' },
    hiddenBehind: (d) => `Oculto tras terreno a ${km(d)} del ojo`,
    latlon: 'Posición', height: 'Suelo', slant: 'Distancia directa', least: 'Visto si mide más de', groundItself: '0: se ve el suelo', count: 'Visto desde', look: 'Una mirada', exposure: 'Todo el vuelo', certain: 'A la vista', points: (n, of) => `${n} de ${of} puntos`,
    aboveSea: 'm sobre el mar', noHeight: 'sin altura', profile: 'Suelo y línea de vista desde el ojo hasta este lugar',
    move: 'Mover el ojo', route: 'Trazar una ruta', heightLabel: 'Sobre el suelo, m', rangeLabel: 'Alcance, km',
    hintIdle: 'Mueva el ojo, o trace una ruta y obtenga su imagen.', hintMove: 'Haga clic donde deba estar el ojo.',
    hintRoute: 'Haga clic en los puntos de la ruta; Intro o doble clic la termina, Escape la descarta.', looking: 'Mirando …',
    keys: 'Las flechas mueven la sonda, con Mayúsculas el mapa. Más y menos acercan y alejan, 0 muestra todo, L cambia la capa. Al trazar, Espacio pone un punto e Intro termina.',
    failed: 'Sin respuesta. ¿Sigue kuntur en marcha?', eye: 'Ojo', start: 'Inicio de la ruta',
  },
};
let language = (navigator.language || 'en').toLowerCase().startsWith('es') ? 'es' : 'en';
const w = () => WORDS[language];

// Separated by narrow spaces, decimal point in English and comma in Spanish.
function num(value, digits = 0) {
  const [whole, part] = Math.abs(value).toFixed(digits).split('.');
  const sign = value < 0 && Number(value.toFixed(digits)) !== 0 ? '−' : '';
  return sign + whole.replace(/\B(?=(\d{3})+$)/g, '\u202f') + (part ? (language === 'es' ? ',' : '.') + part : '');
}
const km = (m) => (m < 950 ? `${num(Math.round(m / 10) * 10)} m` : `${num(m / 1000, m < 99500 && Math.abs(m / 1000 - Math.round(m / 1000)) > 0.04 ? 1 : 0)} km`);
const area = (km2) => `${num(km2, km2 >= 100 ? 0 : km2 >= 1 ? 1 : 3)} km²`;
const pct = (share) => `${num(100 * share, share > 0 && share < 0.0995 ? 1 : 0)} %`;
function latlon(lat, lon, digits = 5) {
  const south = lat < 0 ? 'S' : 'N', west = lon < 0 ? (language === 'es' ? 'O' : 'W') : 'E';
  return `${num(Math.abs(lat), digits)}° ${south} ${num(Math.abs(lon), digits)}° ${west}`;
}
const reached = (f, one, yes, no) => (f.route ? `${num(one.reached)}/${num(f.route.stations)}` : one.reached ? yes : no);
const span = (route, to) => (route.highest_m - route.lowest_m < 1 ? num(route.lowest_m) : `${num(route.lowest_m)} ${to} ${num(route.highest_m)}`);
