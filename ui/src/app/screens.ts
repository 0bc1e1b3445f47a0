import type { Screen } from '$lib/state/route.svelte';

/** Screens that exist, with the digit that opens each. */
export const SCREEN_WORDS: readonly { screen: Screen; word: string; key: string }[] = [
  { screen: 'fleet', word: 'Fleet', key: '1' },
  { screen: 'drift', word: 'Drift', key: '2' },
  { screen: 'rollouts', word: 'Rollouts', key: '3' },
  { screen: 'alerts', word: 'Alerts', key: '4' },
  { screen: 'runbooks', word: 'Runbooks', key: '5' },
  { screen: 'settings', word: 'Settings', key: '6' },
  { screen: 'help', word: 'Help', key: '7' },
];

/** Screens that show a fleet, and nothing where none is open. */
export const OF_A_FLEET: readonly Screen[] = ['drift', 'rollouts', 'alerts', 'runbooks'];
