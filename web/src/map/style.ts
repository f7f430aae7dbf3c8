/** The map's style: our own terrain tiles, our own area, nothing from outside. Text is drawn from the page's own font. */

import type {
  ExpressionSpecification,
  FilterSpecification,
  LayerSpecification,
  SourceSpecification,
  StyleSpecification,
} from 'maplibre-gl';
import type { Bounds, Meta } from '../wire.ts';
import type { Words } from '../words.ts';
import type { Palette } from './palette.ts';

export const FONT = ['Kuntur'];
export const FONT_STRONG = ['Kuntur Semibold'];

/** What the operator can switch on and off -> the layers it holds. */
export const GROUPS = {
  freshness: ['freshness'],
  seen: ['seen'],
  routes: ['hub', 'route-casing', 'route', 'route-end'],
  footprints: ['footprint-fill', 'footprint-line'],
  sorties: ['sortie'],
  trails: ['trail', 'track-trail'],
  zones: ['zone-fill', 'zone-line', 'zone-label'],
  ground: ['road', 'place'],
} as const;
export type Group = keyof typeof GROUPS;

export const corners = (b: Bounds): [[number, number], [number, number], [number, number], [number, number]] => [
  [b.west_deg, b.north_deg],
  [b.east_deg, b.north_deg],
  [b.east_deg, b.south_deg],
  [b.west_deg, b.south_deg],
];

/** Groups that are drawn only where something was written beside the plan. */
export const OF_THE_PLAN: readonly Group[] = ['seen', 'routes'];

const EMPTY: GeoJSON.FeatureCollection = { type: 'FeatureCollection', features: [] };

/** Everything beyond the terrain: a frame, so that the edge of what is known is plain to see. */
function outside(b: Bounds): GeoJSON.Feature {
  const reach = 30;
  const ring = (w: number, s: number, e: number, n: number) => [[w, s], [e, s], [e, n], [w, n], [w, s]];
  return {
    type: 'Feature',
    properties: {},
    geometry: {
      type: 'Polygon',
      coordinates: [
        ring(b.west_deg - reach, Math.max(b.south_deg - reach, -85), b.east_deg + reach, Math.min(b.north_deg + reach, 85)),
        ring(b.west_deg, b.south_deg, b.east_deg, b.north_deg),
      ],
    },
  };
}

export function demSource(meta: Meta, origin: string): SourceSpecification {
  const t = meta.terrain;
  return {
    type: 'raster-dem',
    tiles: [`${origin}/tiles/terrain/{z}/{x}/{y}.png`],
    encoding: 'mapbox',
    tileSize: 256,
    minzoom: t.min_zoom,
    maxzoom: t.max_zoom,
    bounds: [t.bounds.west_deg, t.bounds.south_deg, t.bounds.east_deg, t.bounds.north_deg],
  };
}

function relief(meta: Meta, palette: Palette): ExpressionSpecification {
  const stops: (number | string)[] = [];
  let last = -Infinity;
  meta.terrain.height_quantiles_m.forEach((height, i) => {
    last = Math.max(height, last + 1); // an interpolation needs its stops to rise
    stops.push(last, palette.relief[i] ?? '#888');
  });
  return ['interpolate', ['linear'], ['elevation'], ...stops] as unknown as ExpressionSpecification;
}

const only = (layer: string): FilterSpecification => ['==', ['get', 'layer'], layer];
const zoneColour = (p: Palette): ExpressionSpecification => [
  'match', ['get', 'kind'], 'no_fly', p.noFly, 'no_look', p.noLook, p.guarded,
];
const trackColour = (p: Palette): ExpressionSpecification => [
  'match', ['get', 'status'], 'confirmed', p.track, p.tentative,
];

function groundLayers(meta: Meta, p: Palette): LayerSpecification[] {
  const layers: LayerSpecification[] = [
    { id: 'background', type: 'background', paint: { 'background-color': p.ground } },
    { id: 'relief', type: 'color-relief', source: 'dem', paint: { 'color-relief-color': relief(meta, p) } },
    {
      id: 'hillshade',
      type: 'hillshade',
      source: 'dem',
      paint: {
        'hillshade-method': 'standard',
        'hillshade-illumination-direction': 315,
        'hillshade-illumination-anchor': 'map',
        'hillshade-exaggeration': p.shade,
        'hillshade-shadow-color': p.shadow,
        'hillshade-highlight-color': p.highlight,
        'hillshade-accent-color': p.shadow,
      },
    },
  ];
  if (meta.terrain.voids) {
    layers.push({ id: 'voids', type: 'raster', source: 'voids', paint: { 'raster-resampling': 'nearest' } });
  }
  layers.push(
    { id: 'outside', type: 'fill', source: 'outside', paint: { 'fill-color': p.ground, 'fill-antialias': false } },
    {
      id: 'edge',
      type: 'line',
      source: 'outside',
      paint: { 'line-color': p.textQuiet, 'line-opacity': 0.45, 'line-width': 1 },
    },
    {
      id: 'freshness',
      type: 'raster',
      source: 'freshness',
      layout: { visibility: 'none' },
      paint: { 'raster-opacity': p.freshness, 'raster-fade-duration': 0, 'raster-resampling': 'nearest' },
    },
  );
  if (meta.seen) {
    layers.push({
      id: 'seen',
      type: 'raster',
      source: 'seen',
      layout: { visibility: 'none' },
      paint: { 'raster-opacity': p.freshness, 'raster-fade-duration': 0, 'raster-resampling': 'nearest' },
    });
  }
  return layers;
}

/** The strongest attacks found on this plan, the strongest of all widest, and the hubs they know. */
function routeLayers(p: Palette): LayerSpecification[] {
  const line = { 'line-cap': 'round', 'line-join': 'round', visibility: 'none' } as const;
  const width = (first: number, other: number): ExpressionSpecification => ['case', ['==', ['get', 'rank'], 1], first, other];
  return [
    {
      id: 'hub',
      type: 'circle',
      source: 'area',
      filter: only('hub'),
      layout: { visibility: 'none' },
      paint: { 'circle-radius': 3.6, 'circle-color': p.hub, 'circle-stroke-color': p.borderCasing, 'circle-stroke-width': 1.2 },
    },
    {
      id: 'route-casing',
      type: 'line',
      source: 'area',
      filter: only('route'),
      layout: line,
      paint: { 'line-color': p.borderCasing, 'line-width': width(7, 5), 'line-opacity': 0.8 },
    },
    { id: 'route', type: 'line', source: 'area', filter: only('route'), layout: line, paint: { 'line-color': p.route, 'line-width': width(3.6, 2) } },
  ];
}

function areaLayers(p: Palette): LayerSpecification[] {
  return [
    { id: 'zone-fill', type: 'fill', source: 'area', filter: only('zone'), paint: { 'fill-color': zoneColour(p), 'fill-opacity': 0.16 } },
    {
      id: 'zone-line',
      type: 'line',
      source: 'area',
      filter: only('zone'),
      paint: { 'line-color': zoneColour(p), 'line-width': 1.6, 'line-dasharray': [3, 2] },
    },
    {
      id: 'road',
      type: 'line',
      source: 'area',
      filter: only('road'),
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: {
        'line-color': p.road,
        'line-opacity': 0.8,
        'line-width': ['match', ['get', 'kind'], 'road', 2, 1.1],
      },
    },
    {
      id: 'sortie',
      type: 'line',
      source: 'area',
      filter: only('sortie'),
      paint: { 'line-color': p.sortie, 'line-width': 1, 'line-opacity': 0.55, 'line-dasharray': [2, 3] },
    },
    { id: 'footprint-fill', type: 'fill', source: 'footprints', paint: { 'fill-color': p.look, 'fill-opacity': 0.24 } },
    { id: 'footprint-line', type: 'line', source: 'footprints', paint: { 'line-color': p.look, 'line-width': 1.2, 'line-opacity': 0.9 } },
    {
      id: 'border-casing',
      type: 'line',
      source: 'area',
      filter: only('border'),
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': p.borderCasing, 'line-width': 6, 'line-opacity': 0.75 },
    },
    {
      id: 'border',
      type: 'line',
      source: 'area',
      filter: only('border'),
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': p.border, 'line-width': 2.6 },
    },
    {
      id: 'chainage-dot',
      type: 'circle',
      source: 'area',
      filter: ['all', only('chainage'), ['any', ['get', 'major'], ['>=', ['zoom'], 12]]] as unknown as FilterSpecification,
      paint: {
        'circle-radius': ['case', ['get', 'major'], 3.6, 2],
        'circle-color': p.borderCasing,
        'circle-stroke-color': p.border,
        'circle-stroke-width': 1.6,
        'circle-pitch-alignment': 'map',
      },
    },
  ];
}

function movingLayers(p: Palette): LayerSpecification[] {
  return [
    {
      id: 'trail',
      type: 'line',
      source: 'trails',
      filter: ['==', ['get', 'of'], 'aircraft'],
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': p.look, 'line-width': 1.8, 'line-opacity': 0.7 },
    },
    {
      id: 'track-trail',
      type: 'line',
      source: 'trails',
      filter: ['==', ['get', 'of'], 'track'],
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: { 'line-color': trackColour(p), 'line-width': 2, 'line-dasharray': [1, 1.6] },
    },
    {
      id: 'track-error',
      type: 'fill',
      source: 'tracks',
      filter: ['==', ['geometry-type'], 'Polygon'],
      paint: { 'fill-color': trackColour(p), 'fill-opacity': 0.25, 'fill-outline-color': trackColour(p) },
    },
    {
      id: 'track-ahead',
      type: 'line',
      source: 'tracks',
      filter: ['==', ['geometry-type'], 'LineString'],
      paint: { 'line-color': trackColour(p), 'line-width': 2.4 },
    },
  ];
}

function wordLayers(p: Palette, words: Words): LayerSpecification[] {
  const text = { 'text-color': p.text, 'text-halo-color': p.halo, 'text-halo-width': 1.5, 'text-halo-blur': 0.4 };
  return [
    {
      id: 'country',
      type: 'symbol',
      source: 'area',
      filter: only('country'),
      layout: {
        'text-field': ['upcase', ['get', 'name']],
        'text-font': FONT_STRONG,
        'text-size': ['interpolate', ['linear'], ['zoom'], 9, 11, 12, 17],
        'text-letter-spacing': 0.35,
        'text-allow-overlap': true,
        'text-ignore-placement': true,
      },
      paint: { ...text, 'text-color': p.border, 'text-opacity': 0.75 },
    },
    {
      id: 'place',
      type: 'symbol',
      source: 'area',
      filter: only('place'),
      layout: {
        'icon-image': ['match', ['get', 'kind'], 'peak', 'peak', 'pass', 'pass', 'lake', 'lake', 'village'],
        'icon-allow-overlap': true,
        'text-field': [
          'case',
          ['all', ['==', ['get', 'kind'], 'peak'], ['!=', ['get', 'alt_msl_m'], null]],
          ['format', ['get', 'name'], {}, '\n', {}, ['concat', ['to-string', ['round', ['get', 'alt_msl_m']]], ' m'], { 'font-scale': 0.85 }],
          ['get', 'name'],
        ] as unknown as ExpressionSpecification,
        'text-font': FONT,
        'text-size': 11.5,
        'text-anchor': 'top',
        'text-offset': [0, 0.7],
        'text-optional': true,
      },
      paint: { ...text, 'text-color': p.textQuiet },
    },
    {
      id: 'zone-label',
      type: 'symbol',
      source: 'area',
      filter: only('zone'),
      layout: {
        'text-field': [
          'concat',
          ['match', ['get', 'kind'], 'no_fly', words.no_fly, 'no_look', words.no_look, words.protected],
          '\n',
          ['get', 'name'],
        ],
        'text-font': FONT,
        'text-size': 10.5,
      },
      paint: { ...text, 'text-color': zoneColour(p) },
    },
    {
      id: 'route-end',
      type: 'symbol',
      source: 'area',
      filter: only('route_end'),
      layout: {
        visibility: 'none',
        'text-field': ['concat', ['to-string', ['round', ['*', 100, ['get', 'detection_prob']]]], ' %'],
        'text-font': FONT_STRONG,
        'text-size': ['case', ['==', ['get', 'rank'], 1], 14, 11.5],
        'text-anchor': 'left',
        'text-offset': [0.4, 0],
        'text-allow-overlap': true,
      },
      paint: { ...text, 'text-color': p.route },
    },
    {
      id: 'chainage',
      type: 'symbol',
      source: 'area',
      filter: ['all', only('chainage'), ['any', ['get', 'major'], ['>=', ['zoom'], 12.5]]] as unknown as FilterSpecification,
      layout: {
        'text-field': ['concat', 'km ', ['to-string', ['get', 'km']]],
        'text-font': FONT_STRONG,
        'text-size': ['case', ['get', 'major'], 11.5, 10],
        'text-variable-anchor': ['right', 'left', 'top', 'bottom'],
        'text-radial-offset': 0.8,
      },
      paint: { ...text, 'text-color': p.border },
    },
    {
      id: 'base',
      type: 'symbol',
      source: 'area',
      filter: only('base'),
      layout: {
        'icon-image': 'base',
        'icon-allow-overlap': true,
        'text-field': ['get', 'name'],
        'text-font': FONT_STRONG,
        'text-size': 12.5,
        'text-variable-anchor': ['left', 'right', 'top', 'bottom'],
        'text-radial-offset': 1.1,
        'text-optional': true,
      },
      paint: text,
    },
    {
      id: 'track',
      type: 'symbol',
      source: 'tracks',
      filter: ['==', ['geometry-type'], 'Point'],
      layout: {
        'icon-image': ['match', ['get', 'status'], 'confirmed', 'track', 'track-tentative'],
        'icon-allow-overlap': true,
        'text-field': ['get', 'label'],
        'text-font': FONT_STRONG,
        'text-size': 11.5,
        'text-anchor': 'left',
        'text-offset': [1, 0],
        'text-justify': 'left',
        'text-allow-overlap': true,
      },
      paint: { ...text, 'text-color': trackColour(p) },
    },
  ];
}

export function layers(meta: Meta, palette: Palette, words: Words): LayerSpecification[] {
  return [...groundLayers(meta, palette), ...areaLayers(palette), ...routeLayers(palette), ...movingLayers(palette), ...wordLayers(palette, words)];
}

export function style(meta: Meta, area: GeoJSON.FeatureCollection, palette: Palette, words: Words, origin: string): StyleSpecification {
  const sources: Record<string, SourceSpecification> = {
    dem: demSource(meta, origin),
    outside: { type: 'geojson', data: outside(meta.terrain.bounds) },
    area: { type: 'geojson', data: area },
    freshness: { type: 'image', url: `${origin}/api/freshness.png`, coordinates: corners(meta.freshness) },
    footprints: { type: 'geojson', data: EMPTY },
    trails: { type: 'geojson', data: EMPTY },
    tracks: { type: 'geojson', data: EMPTY },
  };
  if (meta.seen) {
    sources.seen = { type: 'image', url: `${origin}/api/seen.png`, coordinates: corners(meta.seen.bounds) };
  }
  if (meta.terrain.voids) {
    sources.voids = { type: 'image', url: `${origin}/api/voids.png`, coordinates: corners(meta.terrain.voids) };
  }
  return { version: 8, sources, layers: layers(meta, palette, words) };
}
