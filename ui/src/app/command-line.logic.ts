//! What a typed command means: `:nodes`, `:drift`, `:rollouts`, `:refused`, `:alerts`, `:runbook x`, `:node x`, `:settings`, `:fleet x`, `:help x`, `:q`.
import type { Screen } from '$lib/state/route.svelte';

export type Meaning =
  | { kind: 'go'; screen: Screen; params: Record<string, string> }
  | { kind: 'fleet'; name: string }
  | { kind: 'quit' }
  | { kind: 'wrong'; sentence: string };

export const COMMANDS: readonly { word: string; argument: string; about: string }[] = [
  { word: 'nodes', argument: 'filter', about: 'the fleet, filtered if a filter follows' },
  { word: 'node', argument: 'name', about: 'one node' },
  { word: 'drift', argument: '', about: 'how groups of nodes differ' },
  { word: 'rollouts', argument: 'run', about: 'plans and runs, one of them if its name follows' },
  { word: 'refused', argument: '', about: 'what no node may take' },
  { word: 'alerts', argument: 'text', about: 'the inbox, filtered if a text follows' },
  { word: 'runbook', argument: 'text', about: 'the library, filtered if a text follows' },
  { word: 'history', argument: '', about: 'what nodes ran over time' },
  { word: 'evidence', argument: '', about: 'open an archive, and what was found in it' },
  { word: 'fleet', argument: 'name', about: 'open another fleet' },
  { word: 'settings', argument: '', about: 'fleets, credentials, appearance' },
  { word: 'help', argument: 'topic', about: 'the help' },
  { word: 'quit', argument: '', about: 'close the window' },
];

const ALIASES: Record<string, string> = { n: 'nodes', q: 'quit', h: 'help', d: 'drift', r: 'rollouts', a: 'alerts', b: 'runbook', runbooks: 'runbook', set: 'settings' };

export function read(line: string): Meaning {
  const [first = '', ...rest] = line.trim().replace(/^:/, '').split(/\s+/);
  const word = ALIASES[first] ?? first;
  const argument = rest.join(' ');
  switch (word) {
    case 'nodes':
      return { kind: 'go', screen: 'fleet', params: argument === '' ? {} : { filter: argument } };
    case 'node':
      return argument === '' ? { kind: 'wrong', sentence: 'Write the name of the node: node eu-gw-017' } : { kind: 'go', screen: 'fleet', params: { node: argument } };
    case 'drift':
      return { kind: 'go', screen: 'drift', params: {} };
    case 'rollouts':
      return { kind: 'go', screen: 'rollouts', params: argument === '' ? {} : { run: argument } };
    case 'refused':
      return { kind: 'go', screen: 'rollouts', params: { refused: 'list' } };
    case 'alerts':
      return { kind: 'go', screen: 'alerts', params: argument === '' ? {} : { text: argument } };
    case 'runbook':
      return { kind: 'go', screen: 'runbooks', params: argument === '' ? {} : { filter: argument } };
    case 'history':
    case 'evidence':
      return { kind: 'go', screen: word, params: {} };
    case 'settings':
      return { kind: 'go', screen: 'settings', params: {} };
    case 'help':
      return { kind: 'go', screen: 'help', params: argument === '' ? {} : { topic: argument } };
    case 'fleet':
      return argument === '' ? { kind: 'wrong', sentence: 'Write the name of the fleet: fleet payments-eu' } : { kind: 'fleet', name: argument };
    case 'quit':
      return { kind: 'quit' };
    case '':
      return { kind: 'wrong', sentence: 'Write a command, for example: nodes state:drifted' };
    default:
      return { kind: 'wrong', sentence: `There is no command "${word}".` };
  }
}

/** Lines that complete what is typed. */
export function complete(line: string, fleets: readonly string[]): { line: string; about: string }[] {
  const typed = line.replace(/^\s*:?/, '');
  const space = typed.indexOf(' ');
  if (space < 0) {
    return COMMANDS.filter((command) => command.word.startsWith(typed.trim())).map((command) => ({ line: command.argument === '' ? command.word : `${command.word} `, about: command.about }));
  }
  if (typed.slice(0, space) !== 'fleet') return [];
  const begun = typed.slice(space + 1);
  return fleets.filter((name) => name.startsWith(begun)).map((name) => ({ line: `fleet ${name}`, about: '' }));
}
