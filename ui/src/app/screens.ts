import type { Screen } from '$lib/state/route.svelte';

/** Screens that exist, with the digit that opens each. */
export const SCREEN_WORDS: readonly { screen: Screen; word: string; key: string }[] = [
  { screen: 'fleet', word: 'Fleet', key: '1' },
  { screen: 'drift', word: 'Drift', key: '2' },
  { screen: 'settings', word: 'Settings', key: '3' },
  { screen: 'help', word: 'Help', key: '4' },
];
