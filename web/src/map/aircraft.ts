/** The aircraft, by deck.gl: flat on a flat map, at their true height over the 3-D terrain, with a plumb line to the ground. */

import type { Layer } from '@deck.gl/core';
import { IconLayer, LineLayer, TextLayer } from '@deck.gl/layers';
import { metres } from '../format.ts';
import { LOW_BATTERY } from '../limits.ts';
import type { AircraftView, LiveView, LonLat } from '../wire.ts';
import { ATLAS_CELL, aircraftAtlas } from './icons.ts';
import { type Side, sides } from './labels.ts';
import type { Palette } from './palette.ts';

const ICONS = {
  fixed_wing: { x: 0, y: 0, width: ATLAS_CELL, height: ATLAS_CELL, mask: false },
  multirotor: { x: ATLAS_CELL, y: 0, width: ATLAS_CELL, height: ATLAS_CELL, mask: false },
};
const ALWAYS = { depthCompare: 'always', depthWriteEnabled: false } as const;
const LABEL_PX = 12;
const LINE_PX = 15;
const OFFSET: Record<Side, [number, number]> = { right: [22, 0], left: [-22, 0], below: [0, 34], above: [0, -34] };
const ANCHOR = { right: 'start', left: 'end', below: 'middle', above: 'middle' } as const;
const rgb = (c: readonly number[]) => `rgb(${c.slice(0, 3).join(',')})`;



function label(a: AircraftView): string {
  const height = a.height_agl_m === null ? '–' : metres(a.height_agl_m);
  const battery = a.battery_fraction === null ? '' : ` · ${Math.round(a.battery_fraction * 100)} %`;
  return a.armed ? `${a.name}\n${height}${battery}` : a.name;
}

export class AircraftLayers {
  private atlas: HTMLCanvasElement;

  constructor(private palette: Palette) {
    this.atlas = aircraftAtlas(rgb(palette.aircraft), rgb(palette.aircraftEdge));
  }

  setPalette(palette: Palette): void {
    this.palette = palette;
    this.atlas = aircraftAtlas(rgb(palette.aircraft), rgb(palette.aircraftEdge));
  }

  /**
   * Layers for these aircraft. lifted: over 3-D terrain, so positions carry their height. project: degrees to pixels,
   * to keep labels off each other, off the tracks and off the open alerts.
   */
  layers({ aircraft, tracks, alerts }: LiveView, lifted: boolean, project: (at: LonLat) => { x: number; y: number }): Layer[] {
    const p = this.palette;
    const labels = aircraft.map(label);
    const side = sides(
      aircraft.map((a, i) => ({
        ...project([a.lon_deg, a.lat_deg]),
        width: Math.max(...labels[i]!.split('\n').map((line) => line.length)) * LABEL_PX * 0.6 + 10,
        height: 2 * LINE_PX + 6,
      })),
      [...tracks, ...alerts.filter((a) => !a.acknowledged && a.lat_deg !== null)].map((o) => project([o.lon_deg!, o.lat_deg!])),
    );
    const at = (a: AircraftView): [number, number, number] => [a.lon_deg, a.lat_deg, lifted ? a.alt_msl_m : 0];
    const below = (a: AircraftView): [number, number, number] => [a.lon_deg, a.lat_deg, a.alt_msl_m - (a.height_agl_m ?? 0)];
    return [
      new LineLayer<AircraftView>({
        id: 'aircraft-plumb',
        data: aircraft,
        visible: lifted,
        getSourcePosition: at,
        getTargetPosition: below,
        getColor: [...p.aircraft, 150],
        getWidth: 1.5,
      }),
      new IconLayer<AircraftView>({
        id: 'aircraft',
        data: aircraft,
        iconAtlas: this.atlas as unknown as string, // deck.gl takes any picture here; its type names only two kinds
        iconMapping: ICONS,
        billboard: lifted,
        getIcon: (a) => a.kind,
        getPosition: at,
        getAngle: (a) => -(a.heading_deg ?? 0),
        getSize: (a) => (a.armed ? 30 : 22),
        getColor: (a) => [255, 255, 255, a.armed ? 255 : 160],
        sizeUnits: 'pixels',
        parameters: ALWAYS,
        pickable: true,
      }),
      new TextLayer<AircraftView>({
        id: 'aircraft-label',
        data: aircraft,
        getText: (_, { index }) => labels[index]!,
        getPosition: at,
        getSize: LABEL_PX,
        lineHeight: LINE_PX / LABEL_PX,
        getColor: (a) => (a.battery_fraction !== null && a.battery_fraction < LOW_BATTERY ? p.low : p.label),
        getPixelOffset: (_, { index }) => OFFSET[side[index]!],
        getTextAnchor: (_, { index }) => ANCHOR[side[index]!],
        getAlignmentBaseline: 'center',
        fontFamily: 'Kuntur, system-ui, sans-serif',
        fontWeight: 600,
        fontSettings: { fontSize: 48, buffer: 6 },
        characterSet: 'auto',
        background: true,
        getBackgroundColor: p.labelGround,
        backgroundPadding: [5, 3],
        backgroundBorderRadius: 4,
        parameters: ALWAYS,
        updateTriggers: { getColor: p.label, getBackgroundColor: p.labelGround },
      }),
    ];
  }
}
