//! The drift states: word, glyph and colour of each, worst first.
import type { DriftStateView } from '$lib/api/api';

export interface StateLook {
  state: DriftStateView;
  /** Its character in the matrix. */
  code: string;
  word: string;
  meaning: string;
  /** Strokes in a 16 by 16 box, drawn in the document and on the canvas alike. */
  glyph: string;
  /** Name of its colour token. */
  token: string;
}

const look = (state: DriftStateView, code: string, word: string, glyph: string, meaning: string): StateLook => ({
  state,
  code,
  word,
  meaning,
  glyph,
  token: `--state-${state.replace('_', '-')}`,
});

export const STATES: readonly StateLook[] = [
  look('tampered', 't', 'Tampered', 'M8 3.4v5.4M8 12.2v.4', 'content equals no signed bundle known under its version'),
  look('poisoned', 'p', 'Poisoned', 'M8 3.6a4.4 4.4 0 1 0 .01 0M5 11l6-6', 'runs a refused digest'),
  look('diverged', 'd', 'Diverged', 'M4 6.3h8M4 9.7h8M10.3 3.4l-4.6 9.2', 'desired version, other content'),
  look('behind', 'b', 'Behind', 'M8 3.4v9M4.4 8.9L8 12.5l3.6-3.6', 'runs an older version'),
  look('ahead', 'a', 'Ahead', 'M8 12.6v-9M4.4 7.1L8 3.5l3.6 3.6', 'runs a newer version'),
  look('stale', 's', 'Stale', 'M8 3.6a4.4 4.4 0 1 0 .01 0M8 5.8V8l1.6 1.2', 'its source has not confirmed the digest in time'),
  look('unreachable', 'u', 'Unreachable', 'M4.6 4.6l6.8 6.8M11.4 4.6l-6.8 6.8', 'did not answer'),
  look('unknown', '?', 'Unknown', 'M5.7 6.1a2.3 2.3 0 1 1 3.5 2c-.9.5-1.2.9-1.2 1.6M8 12.4v.3', 'never seen, or it cannot be told'),
  look('converging', 'c', 'Converging', 'M3.9 8h.2M7.9 8h.2M11.9 8h.2', 'accepted a change, not yet proven'),
  look('in_sync', '.', 'In sync', 'M4 8.4l2.7 2.7L12 5.4', 'runs what is desired'),
];

const BY_STATE = new Map(STATES.map((entry) => [entry.state, entry]));
const BY_CODE = new Map(STATES.map((entry) => [entry.code, entry]));
const UNKNOWN = STATES[7] as StateLook;

export const lookOf = (state: DriftStateView): StateLook => BY_STATE.get(state) ?? UNKNOWN;
export const lookOfCode = (code: string): StateLook => BY_CODE.get(code) ?? UNKNOWN;

/** States a sync can mend: the node answers and runs something that is not desired. */
export const DRIFTED: readonly DriftStateView[] = ['tampered', 'poisoned', 'diverged', 'behind', 'ahead', 'stale'];
