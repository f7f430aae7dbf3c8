/** Two sets of colours. Marks follow Okabe and Ito's palette (2008), which stays apart for colour-blind eyes. */

export type Theme = 'night' | 'day';

export interface Palette {
  ground: string;
  /** One colour per height quantile of the terrain, lowest first. */
  relief: string[];
  shadow: string;
  highlight: string;
  shade: number;
  freshness: number;
  text: string;
  textQuiet: string;
  halo: string;
  border: string;
  borderCasing: string;
  road: string;
  sortie: string;
  route: string;
  hub: string;
  look: string;
  aircraft: [number, number, number];
  aircraftEdge: [number, number, number];
  label: [number, number, number];
  labelGround: [number, number, number, number];
  low: [number, number, number];
  track: string;
  tentative: string;
  noLook: string;
  noFly: string;
  guarded: string;
}

export const PALETTES: Record<Theme, Palette> = {
  night: {
    ground: '#0a0f14',
    relief: ['#16212b', '#1a2833', '#20303d', '#283a48', '#344958', '#4a6172', '#8fa5b5', '#d5e0e8'],
    shadow: '#05080c',
    highlight: '#a9c4d8',
    shade: 0.55,
    freshness: 0.72,
    text: '#e6edf3',
    textQuiet: '#9fb1c1',
    halo: '#0a0f14',
    border: '#ffd166',
    borderCasing: '#0a0f14',
    road: '#7d8f9f',
    sortie: '#b9cbdb',
    route: '#ff5fa2',
    hub: '#ffe08a',
    look: '#56b4e9',
    aircraft: [226, 243, 255],
    aircraftEdge: [8, 16, 24],
    label: [236, 244, 250],
    labelGround: [10, 15, 20, 200],
    low: [255, 140, 90],
    track: '#ff7a45',
    tentative: '#f0e442',
    noLook: '#d78bb8',
    noFly: '#e69f00',
    guarded: '#2fbf95',
  },
  day: {
    ground: '#e7dfcd',
    relief: ['#b3a27a', '#c7b585', '#d6c08a', '#d8b279', '#c4935f', '#a3775a', '#c9c1bb', '#ffffff'],
    shadow: '#4a3524',
    highlight: '#fff6df',
    shade: 0.5,
    freshness: 0.62,
    text: '#20190f',
    textQuiet: '#5b4d39',
    halo: '#fbf5e6',
    border: '#5a0f2e',
    borderCasing: '#fff8e7',
    road: '#7a6a55',
    sortie: '#24435c',
    route: '#b0005c',
    hub: '#e0a800',
    look: '#005f9e',
    aircraft: [10, 40, 66],
    aircraftEdge: [255, 255, 255],
    label: [24, 20, 12],
    labelGround: [255, 250, 238, 215],
    low: [178, 48, 0],
    track: '#c2410c',
    tentative: '#8a6d00',
    noLook: '#8f3f74',
    noFly: '#a65300',
    guarded: '#00694d',
  },
};
