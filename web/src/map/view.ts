/** The map: MapLibre for the ground and what lies on it, deck.gl for what flies. */

import { MapLibreOverlay } from '@deck.gl/maplibre';
import {
  type GeoJSONSource,
  type ImageSource,
  LngLatBounds,
  Map as MapLibre,
  Marker,
  NavigationControl,
  ScaleControl,
} from 'maplibre-gl';
import type { Session } from '../session.ts';
import type { AircraftView, AlertView, LiveView, Meta } from '../wire.ts';
import { type Language, WORDS } from '../words.ts';
import { AircraftLayers } from './aircraft.ts';
import { RATIO, signs } from './icons.ts';
import * as moving from './moving.ts';
import { PALETTES, type Theme } from './palette.ts';
import { demSource, GROUPS, type Group, layers, style } from './style.ts';

const FRESHNESS_EVERY_MS = 2000;
/** Rings on the map: more hide the ground. The list at the side holds every alert. */
const MARKED_ALERTS = 8;
const CLOSE_ZOOM = 12.6;

export interface Look {
  theme: Theme;
  language: Language;
  shown: Record<Group, boolean>;
  relief3d: boolean;
}

export interface Room {
  top: number;
  bottom: number;
  left: number;
  right: number;
}

export class MapView {
  private readonly map: MapLibre;
  private readonly overlay = new MapLibreOverlay({ interleaved: true, layers: [] });
  private readonly aircraft: AircraftLayers;
  private readonly markers = new Map<string, Marker>();
  private view?: LiveView;
  private drawn = false;
  private freshnessAt = 0;
  private room: Room;

  /** Throws when the browser has no WebGL2. onReady: the ground is on the screen. */
  constructor(
    container: HTMLElement,
    session: Session,
    private readonly meta: Meta,
    area: GeoJSON.FeatureCollection,
    private look: Look,
    room: Room,
    private readonly events: { onReady(): void; onAlert(id: string): void; onCursor(lngLat: [number, number] | null): void },
  ) {
    this.room = room;
    const t = meta.terrain.bounds;
    this.aircraft = new AircraftLayers(PALETTES[look.theme]);
    this.map = new MapLibre({
      container,
      style: style(meta, area, PALETTES[look.theme], WORDS[look.language], location.origin),
      bounds: this.focus(),
      fitBoundsOptions: { padding: room },
      minZoom: meta.terrain.min_zoom,
      maxZoom: 16,
      maxPitch: 70,
      maxBounds: [t.west_deg - 0.6, t.south_deg - 0.6, t.east_deg + 0.6, t.north_deg + 0.6],
      attributionControl: false,
      maplibreLogo: false,
      dragRotate: true,
      transformRequest: (url) => ({ url, headers: url.startsWith(location.origin) ? session.headers() : {} }),
      fadeDuration: 0,
    });
    for (const [name, picture] of signs()) this.map.addImage(name, picture, { pixelRatio: RATIO });
    this.map.addControl(new NavigationControl({ visualizePitch: true }), 'bottom-right');
    this.map.addControl(new ScaleControl({ maxWidth: 110 }), 'bottom-right');
    this.map.on('mousemove', (e) => events.onCursor([e.lngLat.lng, e.lngLat.lat]));
    this.map.on('mouseout', () => events.onCursor(null));
    this.map.on('error', (e) => console.error(`map: ${e.error?.message ?? 'unknown fault'}`));
    this.map.once('load', () => {
      this.drawn = true;
      this.map.addControl(this.overlay as never);
      this.setLook(this.look);
      if (this.view) this.update(this.view);
      const settled = () => {
        if (!this.map.areTilesLoaded()) return;
        this.map.off('render', settled);
        events.onReady();
      };
      this.map.on('render', settled);
      this.map.triggerRepaint();
    });
  }

  private focus(): LngLatBounds {
    const f = this.meta.focus;
    return new LngLatBounds([f.west_deg, f.south_deg], [f.east_deg, f.north_deg]);
  }

  private set(source: string, data: GeoJSON.FeatureCollection): void {
    this.map.getSource<GeoJSONSource>(source)?.setData(data);
  }

  update(view: LiveView): void {
    this.view = view;
    if (!this.drawn) return;
    this.set('footprints', moving.footprints(view));
    this.set('trails', moving.trails(view));
    this.set('tracks', moving.tracks(view, WORDS[this.look.language]));
    this.overlay.setProps({ layers: this.aircraft.layers(view, this.look.relief3d, (at) => this.map.project(at)) });
    this.mark(view.alerts);
    if (this.look.shown.freshness && performance.now() - this.freshnessAt > FRESHNESS_EVERY_MS) this.refreshFreshness();
  }

  private refreshFreshness(): void {
    this.freshnessAt = performance.now();
    const url = `${location.origin}/api/freshness.png?at=${Math.round(this.freshnessAt)}`;
    this.map.getSource<ImageSource>('freshness')?.updateImage({ url });
  }

  setArea(area: GeoJSON.FeatureCollection): void {
    this.set('area', area);
  }

  setLook(look: Look): void {
    const before = this.look;
    this.look = look;
    if (!this.drawn) return;
    const palette = PALETTES[look.theme];
    if (before.theme !== look.theme || before.language !== look.language) {
      for (const layer of layers(this.meta, palette, WORDS[look.language])) {
        const paint = Object.entries(layer.paint ?? {}) as [never, never][];
        for (const [name, value] of paint) this.map.setPaintProperty(layer.id, name, value);
        if (layer.type === 'symbol' && layer.id === 'zone-label') {
          this.map.setLayoutProperty(layer.id, 'text-field', layer.layout?.['text-field']);
        }
      }
      this.aircraft.setPalette(palette);
    }
    for (const [group, ids] of Object.entries(GROUPS)) {
      const visibility = look.shown[group as Group] ? 'visible' : 'none';
      for (const id of ids) if (this.map.getLayer(id)) this.map.setLayoutProperty(id, 'visibility', visibility);
    }
    this.setRelief3d(look.relief3d);
    if (look.shown.freshness) this.refreshFreshness();
    if (this.view) this.update(this.view);
  }

  private setRelief3d(on: boolean): void {
    if (on === !!this.map.getTerrain()) return;
    if (on && !this.map.getSource('dem-3d')) this.map.addSource('dem-3d', demSource(this.meta, location.origin));
    this.map.setTerrain(on ? { source: 'dem-3d', exaggeration: 1 } : null);
    this.map.easeTo({ pitch: on ? 55 : 0, duration: 600 });
  }

  /** A ring round the newest alerts that nobody has seen to; a button, so that the keyboard reaches it too. */
  private mark(alerts: AlertView[]): void {
    const unseen = alerts.filter((a) => !a.acknowledged && a.lat_deg !== null).slice(0, MARKED_ALERTS);
    const open = new Map(unseen.map((a) => [a.id, a]));
    for (const [id, marker] of this.markers) {
      if (open.has(id)) continue;
      marker.remove();
      this.markers.delete(id);
    }
    for (const [id, alert] of open) {
      const marker = this.markers.get(id) ?? this.newMarker(alert);
      marker.getElement().setAttribute('aria-label', this.look.language === 'es' ? alert.text_es : alert.text_en);
    }
  }

  private newMarker(alert: AlertView): Marker {
    const element = document.createElement('button');
    element.className = `alert-mark ${alert.severity}`;
    element.onclick = () => this.events.onAlert(alert.id);
    const marker = new Marker({ element }).setLngLat([alert.lon_deg!, alert.lat_deg!]).addTo(this.map);
    this.markers.set(alert.id, marker);
    return marker;
  }

  setRoom(room: Room): void {
    this.room = room;
  }

  /** How far the middle of the free room lies from the middle of the map. */
  private middle(): [number, number] {
    return [(this.room.left - this.room.right) / 2, (this.room.top - this.room.bottom) / 2];
  }

  fit(): void {
    this.map.fitBounds(this.focus(), { padding: this.room, pitch: this.map.getPitch(), duration: 700 });
  }

  flyTo(where: Pick<AircraftView, 'lat_deg' | 'lon_deg'>): void {
    const zoom = Math.max(this.map.getZoom(), CLOSE_ZOOM);
    this.map.flyTo({ center: [where.lon_deg, where.lat_deg], zoom, offset: this.middle(), duration: 900 });
  }

  resize(): void {
    this.map.resize();
  }

  remove(): void {
    this.map.remove();
  }
}
