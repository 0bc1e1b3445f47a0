import type { Screen } from '$lib/state/route.svelte';

/** Screens that exist, with the digit that opens each. */
export const SCREEN_WORDS: readonly { screen: Screen; word: string; key: string }[] = [
  { screen: 'fleet', word: 'Fleet', key: '1' },
  { screen: 'drift', word: 'Drift', key: '2' },
  { screen: 'rollouts', word: 'Rollouts', key: '3' },
  { screen: 'alerts', word: 'Alerts', key: '4' },
  { screen: 'runbooks', word: 'Runbooks', key: '5' },
  { screen: 'history', word: 'History', key: '6' },
  { screen: 'evidence', word: 'Evidence', key: '7' },
  { screen: 'settings', word: 'Settings', key: '8' },
  { screen: 'help', word: 'Help', key: '9' },
];

/** Screens that show a fleet, and nothing where none is open. */
export const OF_A_FLEET: readonly Screen[] = ['drift', 'rollouts', 'alerts', 'runbooks', 'history'];

/** Screens about this machine, which evidence is not about. */
const LIVE_ONLY: readonly Screen[] = ['settings'];

/** The screens there are: those of a fleet where one is open, and those of this machine where no evidence stands before it. */
export const screensOf = (hasFleet: boolean, evidence: boolean): typeof SCREEN_WORDS =>
  SCREEN_WORDS.filter(({ screen }) => (hasFleet || !OF_A_FLEET.includes(screen)) && !(evidence && LIVE_ONLY.includes(screen)));
