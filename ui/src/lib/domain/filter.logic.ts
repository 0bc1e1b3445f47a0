//! The filter line: how it is read, and how clicks change it. The backend applies it; this side only edits and explains.
import type { DriftStateView } from '$lib/api/api';
import { DRIFTED, STATES } from './states';

export type Term =
  | { kind: 'text'; text: string; inverse: boolean }
  | { kind: 'key'; key: string; values: string[]; inverse: boolean };

export type Filter =
  | { mode: 'terms'; terms: Term[] }
  | { mode: 'fuzzy'; text: string }
  | { mode: 'labels'; labels: { name: string; value: string | null; inverse: boolean }[] };

export type Parsed = { filter: Filter; error: null } | { filter: null; error: string };

export interface Filterable {
  id: string;
  api: string;
  state: DriftStateView;
  version: string | null;
  content: string | null;
  labels: { name: string; value: string }[];
}

const EMPTY: Filter = { mode: 'terms', terms: [] };

/** Words of a line; a part in double quotes keeps its spaces. */
function words(line: string): string[] | null {
  const found: string[] = [];
  let current: string | null = null;
  let quoted = false;
  for (const character of line) {
    if (character === '"') {
      quoted = !quoted;
      current ??= '';
    } else if (!quoted && /\s/.test(character)) {
      if (current !== null) found.push(current);
      current = null;
    } else {
      current = (current ?? '') + character;
    }
  }
  if (quoted) return null;
  if (current !== null) found.push(current);
  return found;
}

function term(word: string): Term | string {
  const inverse = word.startsWith('!');
  const rest = inverse ? word.slice(1) : word;
  if (rest === '') return 'write something after "!"';
  const colon = rest.indexOf(':');
  if (colon <= 0) return { kind: 'text', text: rest, inverse };
  const key = rest.slice(0, colon).toLowerCase();
  const values = rest.slice(colon + 1).split(',').filter((value) => value !== '');
  if (values.length === 0) return `write a value after "${key}:"`;
  if (key === 'state') {
    const unknown = values.find((value) => value !== 'drifted' && !STATES.some((entry) => entry.state === value));
    if (unknown !== undefined) return `there is no state "${unknown}"`;
  }
  return { kind: 'key', key, values, inverse };
}

function labels(text: string): Parsed {
  const parts = text.split(/[\s,]+/).filter((part) => part !== '');
  if (parts.length === 0) return { filter: null, error: 'write labels after "-l", for example "-l region=eu"' };
  return {
    error: null,
    filter: {
      mode: 'labels',
      labels: parts.map((part) => {
        const match = /^([^=!]+)(!?=)(.*)$/.exec(part);
        if (!match) return { name: part.replace(/^!/, ''), value: null, inverse: part.startsWith('!') };
        return { name: match[1] ?? '', value: match[3] ?? '', inverse: match[2] === '!=' };
      }),
    },
  };
}

/** Reads a filter line; an error is a sentence for the person who typed it. */
export function parse(line: string): Parsed {
  const trimmed = line.trim();
  if (trimmed === '') return { filter: EMPTY, error: null };
  if (/^-f(\s|$)/.test(trimmed)) {
    const text = trimmed.slice(2).trim();
    return text === '' ? { filter: null, error: 'write something after "-f"' } : { filter: { mode: 'fuzzy', text }, error: null };
  }
  if (/^-l(\s|$)/.test(trimmed)) return labels(trimmed.slice(2).trim());
  const split = words(trimmed);
  if (split === null) return { filter: null, error: 'a quotation mark is not closed' };
  const terms: Term[] = [];
  for (const word of split) {
    const read = term(word);
    if (typeof read === 'string') return { filter: null, error: read };
    terms.push(read);
  }
  return { filter: { mode: 'terms', terms }, error: null };
}

const has = (text: string | null, part: string): boolean => (text ?? '').toLowerCase().includes(part.toLowerCase());

/** Letters of `pattern` in order, with anything between. */
export function fuzzy(text: string, pattern: string): boolean {
  const lower = text.toLowerCase();
  let at = 0;
  for (const letter of pattern.toLowerCase().replace(/\s+/g, '')) {
    at = lower.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

function lets(through: Term, node: Filterable): boolean {
  if (through.kind === 'text') {
    return has(node.id, through.text) || has(node.version, through.text) || node.labels.some((label) => has(label.value, through.text));
  }
  return through.values.some((value) => {
    switch (through.key) {
      case 'state':
        return value === 'drifted' ? DRIFTED.includes(node.state) : node.state === value;
      case 'node':
      case 'id':
        return has(node.id, value);
      case 'version':
        return node.version === value;
      case 'content':
        return (node.content ?? '').startsWith(value);
      case 'api':
        return node.api === value;
      default:
        return node.labels.some((label) => label.name === through.key && label.value === value);
    }
  });
}

/** Whether a filter lets a node through: what the fake answers with, and the meaning the help describes. */
export function matches(filter: Filter, node: Filterable): boolean {
  switch (filter.mode) {
    case 'fuzzy':
      return fuzzy(node.id, filter.text);
    case 'labels':
      return filter.labels.every((wanted) => {
        const found = node.labels.some((label) => label.name === wanted.name && (wanted.value === null || label.value === wanted.value));
        return found !== wanted.inverse;
      });
    case 'terms':
      return filter.terms.every((wanted) => lets(wanted, node) !== wanted.inverse);
  }
}

/** States a line asks for, to show which chips are pressed. */
export function statesOf(line: string): DriftStateView[] {
  const { filter } = parse(line);
  if (filter?.mode !== 'terms') return [];
  return filter.terms.flatMap((entry) =>
    entry.kind === 'key' && entry.key === 'state' && !entry.inverse
      ? entry.values.flatMap((value) => (value === 'drifted' ? DRIFTED : [value as DriftStateView]))
      : [],
  );
}

/** The line after a press on a state chip: the state is added to or taken from its `state:` term. */
export function toggleState(line: string, state: DriftStateView): string {
  const asked = statesOf(line);
  const next = asked.includes(state) ? asked.filter((other) => other !== state) : [...asked, state];
  const rest = /^-[fl](\s|$)/.test(line.trim()) ? [] : (words(line.trim()) ?? []).filter((word) => !word.startsWith('state:'));
  const quoted = rest.map((word) => (/\s/.test(word) ? `"${word}"` : word));
  return [...(next.length > 0 ? [`state:${next.join(',')}`] : []), ...quoted].join(' ');
}
