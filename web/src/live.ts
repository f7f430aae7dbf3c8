/** The live socket: keeps the newest view, hands it over once per frame, and comes back by itself when it breaks. */

import type { LiveView } from './wire.ts';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;

export interface Follower {
  onView(view: LiveView): void;
  onLink(connected: boolean): void;
}

export function follow(token: string, follower: Follower): () => void {
  let socket: WebSocket | undefined;
  let newest: string | undefined;
  let wait = FIRST_WAIT_MS;
  let stopped = false;
  let timer = 0;

  const hand = () => {
    if (newest === undefined) return;
    const text = newest;
    newest = undefined;
    follower.onView(JSON.parse(text) as LiveView);
  };

  const open = () => {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    socket = new WebSocket(`${scheme}://${location.host}/live`, ['kuntur.live.v1', token]);
    socket.onopen = () => {
      wait = FIRST_WAIT_MS;
      follower.onLink(true);
    };
    socket.onmessage = (event: MessageEvent<string>) => {
      if (newest === undefined) requestAnimationFrame(hand);
      newest = event.data;
    };
    socket.onclose = () => {
      if (stopped) return;
      follower.onLink(false);
      timer = window.setTimeout(open, wait * (0.75 + 0.5 * Math.random()));
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    };
  };

  open();
  return () => {
    stopped = true;
    clearTimeout(timer);
    socket?.close();
  };
}
