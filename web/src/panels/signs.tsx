/** Small drawings of the panels. Shapes differ, so that colour is never the only difference. */

import type { JSX } from 'preact';
import type { Severity } from '../wire.ts';

const Svg = ({ children, size = 18 }: { children: JSX.Element | JSX.Element[]; size?: number }) => (
  <svg width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">
    {children}
  </svg>
);

export const Logo = () => (
  <svg class="logo" width="34" height="34" viewBox="0 0 32 32" aria-hidden="true">
    <path
      fill="currentColor"
      d="M16 9.200c1.100 0 1.900.8 2.200 1.900 3.600-2.400 8-3 13-2.300-2.500 1.100-4.500 2.600-6 4.600 1.200.1 2.200.5 3.100 1-3 .4-5.800 1.900-8.100 4.400L16 23.500l-4.200-4.700c-2.300-2.500-5.100-4-8.100-4.400.9-.5 1.900-.9 3.100-1-1.500-2-3.500-3.500-6-4.600 5-.7 9.400-.1 13 2.300.3-1.100 1.100-1.900 2.200-1.900z"
    />
  </svg>
);
export const Menu = () => (
  <Svg>
    <path d="M4 6h16M4 12h16M4 18h16" />
  </Svg>
);
export const Sun = () => (
  <Svg>
    <circle cx="12" cy="12" r="4" />
    <path d="M12 2v2M12 20v2M4.900 4.900l1.400 1.400M17.700 17.700l1.400 1.400M2 12h2M20 12h2M4.900 19.100l1.400-1.400M17.700 6.300l1.400-1.400" />
  </Svg>
);
export const Moon = () => (
  <Svg>
    <path d="M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z" />
  </Svg>
);
export const Globe = () => (
  <Svg size={16}>
    <circle cx="12" cy="12" r="9" />
    <path d="M3 12h18M12 3c3 3 3 15 0 18M12 3c-3 3-3 15 0 18" />
  </Svg>
);
export const Frame = () => (
  <Svg size={16}>
    <path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5" />
  </Svg>
);

export function SeveritySign({ severity, title }: { severity: Severity; title: string }) {
  const shape = {
    urgent: <path d="M12 2 23 21H1z" />,
    warning: <path d="M12 1 23 12 12 23 1 12z" />,
    info: <circle cx="12" cy="12" r="10" />,
  }[severity];
  return (
    <svg class={`sign ${severity}`} width="18" height="18" viewBox="0 0 24 24" role="img" aria-label={title} fill="currentColor">
      {shape}
      {severity === 'info' ? (
        <path d="M12 11v6M12 7v.5" stroke="var(--panel-solid)" stroke-width="2.600" stroke-linecap="round" />
      ) : (
        <path d={severity === 'urgent' ? 'M12 9v5M12 17.500v.5' : 'M12 6v7M12 17v.5'} stroke="var(--panel-solid)" stroke-width="2.600" stroke-linecap="round" />
      )}
    </svg>
  );
}

export const AircraftSign = ({ kind }: { kind: 'fixed_wing' | 'multirotor' }) => (
  <svg class="craft" width="22" height="22" viewBox="-48 -48 96 96" aria-hidden="true" fill="currentColor">
    {kind === 'fixed_wing' ? (
      <path d="M0 -40 C5 -40 6 -30 6 -22 L6 -10 L42 4 L42 12 L6 8 L5 26 L16 34 L16 40 L0 37 L-16 40 L-16 34 L-5 26 L-6 8 L-42 12 L-42 4 L-6 -10 L-6 -22 C-6 -30 -5 -40 0 -40 Z" />
    ) : (
      <path
        stroke="currentColor"
        stroke-width="6"
        d="M-24 -24 24 24M24 -24-24 24M-10 -24a14 14 0 1 0-28 0a14 14 0 1 0 28 0M38 -24a14 14 0 1 0-28 0a14 14 0 1 0 28 0M-10 24a14 14 0 1 0-28 0a14 14 0 1 0 28 0M38 24a14 14 0 1 0-28 0a14 14 0 1 0 28 0"
      />
    )}
  </svg>
);
