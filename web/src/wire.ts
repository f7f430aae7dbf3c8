/** What the server sends: mirrors src/kuntur/ops/live.py and src/kuntur/server/features.py. */

export type LonLat = [number, number];
export type Severity = 'info' | 'warning' | 'urgent';

export interface AircraftView {
  id: string;
  name: string;
  kind: 'multirotor' | 'fixed_wing';
  lat_deg: number;
  lon_deg: number;
  alt_msl_m: number;
  height_agl_m: number | null;
  heading_deg: number | null;
  ground_speed_mps: number | null;
  mode: string;
  armed: boolean;
  battery_fraction: number | null;
  age_s: number;
  trail: LonLat[];
}

export interface FootprintView {
  aircraft_id: string;
  ring_lonlat: LonLat[];
}

export interface TrackView {
  id: number;
  lat_deg: number;
  lon_deg: number;
  semi_major_m: number;
  semi_minor_m: number;
  orientation_deg: number;
  status: 'tentative' | 'confirmed';
  size_class: string;
  speed_mps: number;
  course_deg: number;
  age_s: number;
  chainage_m: number | null;
  offset_m: number | null;
  trail: LonLat[];
}

export interface AlertView {
  id: string;
  t_ns: number;
  kind: string;
  severity: Severity;
  text_en: string;
  text_es: string;
  lat_deg: number | null;
  lon_deg: number | null;
  chainage_m: number | null;
  track_id: number | null;
  aircraft_id: string | null;
  acknowledged: boolean;
  acknowledged_by: string;
}

export interface LiveView {
  t_ns: number;
  speed: number;
  simulated: string[];
  phase_en: string;
  phase_es: string;
  tasking: string;
  aircraft: AircraftView[];
  footprints: FootprintView[];
  tracks: TrackView[];
  alerts: AlertView[];
}

export interface Bounds {
  west_deg: number;
  south_deg: number;
  east_deg: number;
  north_deg: number;
}

export interface FreshnessClass {
  from_s: number | null;
  rgba: [number, number, number, number];
}

export interface SeenClass {
  from_per_hour: number | null;
  rgba: [number, number, number, number];
}

/** What the plan sees; probabilities are of the parts of the border between edges_m, null where no way through begins. */
export interface Seen {
  bounds: Bounds;
  classes: SeenClass[];
  crosser_name: string;
  attacker: string;
  from_s: number;
  until_s: number;
  edges_m: number[];
  floor_prob: (number | null)[];
  attack_prob: (number | null)[];
}

export interface Certificate {
  floor: number;
  floor_planning: number;
  attack: number;
  ceiling: number;
  leak: number;
  class_floors: Record<string, number>;
  attackers: Record<string, string>;
  caveats: string[];
}

export interface Meta {
  area_id: string;
  title: string;
  focus: Bounds;
  border_length_m: number;
  depth_m: number;
  detection_prob: number;
  utc_offset_h: number;
  attributions: string[];
  terrain: {
    product: string;
    sketched: boolean;
    attribution: string;
    vertical_datum: string;
    cell_m: number;
    height_quantiles_m: number[];
    min_zoom: number;
    max_zoom: number;
    bounds: Bounds;
    voids: Bounds | null;
  };
  freshness: Bounds;
  freshness_classes: FreshnessClass[];
  certificate: Certificate | null;
  seen: Seen | null;
  crossers: { id: string; name: string; required: boolean }[];
  simulated: string[];
  languages: string[];
}
