/** The session token and the requests that carry it. */

import type { Meta } from './wire.ts';

const KEY = 'kuntur.token';

export class Refused extends Error {}

/** The token of the address that was opened; moved out of the address bar, so that no picture of the screen shows it. */
export function takeToken(): string {
  const given = /token=([\w-]+)/.exec(location.hash)?.[1];
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, '', location.pathname);
  }
  return sessionStorage.getItem(KEY) ?? '';
}

export class Session {
  constructor(readonly token: string) {}

  readonly headers = (): Record<string, string> => ({ Authorization: `Bearer ${this.token}` });

  /** JSON of one path. Throws Refused when the token is not this server's, TypeError when no server answers. */
  async get<T>(path: string): Promise<T> {
    return this.read<T>(await fetch(path, { headers: this.headers() }));
  }

  meta = () => this.get<Meta>('/api/meta');

  area = () => this.get<GeoJSON.FeatureCollection>('/api/area');

  async acknowledge(alertId: string): Promise<void> {
    const answer = await fetch(`/api/alerts/${encodeURIComponent(alertId)}/acknowledge`, {
      method: 'POST',
      headers: { ...this.headers(), 'Content-Type': 'application/json' },
      body: '{}',
    });
    await this.read(answer);
  }

  private async read<T>(answer: Response): Promise<T> {
    if (answer.status === 401) throw new Refused();
    if (!answer.ok) throw new Error(((await answer.json().catch(() => ({}))) as { detail?: string }).detail ?? answer.statusText);
    return answer.json() as Promise<T>;
  }
}
