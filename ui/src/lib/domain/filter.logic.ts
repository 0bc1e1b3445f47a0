//! The filter line: how it is read, and how clicks change it. The backend applies it; this mirrors
//! `plumb-fleet/src/filter.rs`, so that chips know what is asked and the fake answers alike.
import type { DriftStateView, VerifiedView } from '$lib/api/api';
import { DRIFTED, STATES } from './states';

export interface Word {
  /** Lower-case key before the colon; nothing for plain text. */
  key: string | null;
  value: string;
  /** The value was quoted: it is the whole value, not its beginning. */
  exact: boolean;
  inverse: boolean;
  /** As it stands in the line. */
  written: string;
}

export type Terms = { mode: 'words'; words: Word[] } | { mode: 'fuzzy'; text: string } | { mode: 'labels'; labels: { name: string; value: string }[] };

/** A line that was read: its terms, and whether all of it is inverted. */
export type Filter = Terms & { inverse: boolean };

export type Parsed = { filter: Filter; error: null } | { filter: null; error: string };

export interface Filterable {
  id: string;
  api: string;
  state: DriftStateView;
  version: string | null;
  content: string | null;
  labels: { name: string; value: string }[];
  last_reload: { success: boolean } | null;
  verified: VerifiedView;
}

const VERIFIED = ['yes', 'no', 'unknown'];
const APIS = ['reload', 'opa', 'agent'];

/** Words of a line; a part in double quotes keeps its spaces, and `\\` escapes within it. */
function split(line: string): Word[] | string {
  const found: Word[] = [];
  let at = 0;
  while (at < line.length) {
    if (/\s/.test(line.charAt(at))) {
      at += 1;
      continue;
    }
    const begin = at;
    let inverse = false;
    while (line.charAt(at) === '!') {
      inverse = !inverse;
      at += 1;
    }
    let [text, colon, quoted, inside] = ['', -1, false, false];
    for (; at < line.length; at += 1) {
      const character = line.charAt(at);
      if (character === '"') {
        inside = !inside;
        quoted = true;
      } else if (inside && character === '\\') {
        at += 1;
        text += line.charAt(at);
      } else if (!inside && /\s/.test(character)) break;
      else {
        if (character === ':' && !inside && !quoted && colon < 0) colon = text.length;
        text += character;
      }
    }
    const written = line.slice(begin, at);
    if (inside) return `the quote in ${written} is not closed`;
    if (text === '') continue;
    const keyed = colon > 0;
    const value = keyed ? text.slice(colon + 1) : text;
    if (keyed && value === '' && !quoted) return `"${written}" names no value`;
    found.push({ key: keyed ? text.slice(0, colon).toLowerCase() : null, value, exact: quoted, inverse, written });
  }
  return found;
}

const stateOf = (value: string): string => value.toLowerCase().replaceAll('-', '_');

function wrong(word: Word): string | null {
  const { key, value } = word;
  if (key === 'state' && stateOf(value) !== 'drifted' && !STATES.some((look) => look.state === stateOf(value))) {
    return `"${word.written}": a state is one of ${STATES.map((look) => look.state).join(', ')}, drifted`;
  }
  if (key === 'content' && !/^[0-9a-f]{1,64}$/i.test(value)) return `"${word.written}": a content digest is 1 to 64 hex digits`;
  if (key === 'api' && !APIS.includes(value.toLowerCase())) return `"${word.written}": a node API is one of ${APIS.join(', ')}`;
  if (key === 'reload' && value.toLowerCase() !== 'failed') return `"${word.written}": only reload:failed is known`;
  if (key === 'verified' && !VERIFIED.includes(value.toLowerCase())) return `"${word.written}": verified is one of ${VERIFIED.join(', ')}`;
  return null;
}

function labels(text: string): Terms | string {
  const found: { name: string; value: string }[] = [];
  for (const part of text.split(',').map((piece) => piece.trim())) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = part.slice(0, Math.max(0, equals)).trim();
    if (name === '') return `"${part}" is not of the form label=value`;
    found.push({ name, value: part.slice(equals + 1).trim() });
  }
  return { mode: 'labels', labels: found };
}

function terms(rest: string): Terms | string {
  const option = /^-([fl])(?:\s([\s\S]*))?$/.exec(rest);
  if (option?.[1] === 'f') return { mode: 'fuzzy', text: option[2] ?? '' };
  if (option) return labels(option[2] ?? '');
  const words = split(rest);
  if (typeof words === 'string') return words;
  return words.map(wrong).find((sentence) => sentence !== null) ?? { mode: 'words', words };
}

/** Reads a filter line; an error is a sentence for the person who typed it. */
export function parse(line: string): Parsed {
  let rest = line.trimStart();
  let inverse = false;
  while (rest.startsWith('!')) {
    inverse = !inverse;
    rest = rest.slice(1).trimStart();
  }
  const read = terms(rest.trimEnd());
  return typeof read === 'string' ? { filter: null, error: read } : { filter: { ...read, inverse }, error: null };
}

const holds = (text: string | null, part: string): boolean => (text ?? '').toLowerCase().includes(part.toLowerCase());

/** Letters of `pattern` in order, with anything between; an upper-case letter makes case count. */
export function fuzzy(text: string, pattern: string): boolean {
  const anyCase = pattern === pattern.toLowerCase();
  const hay = anyCase ? text.toLowerCase() : text;
  let at = 0;
  for (const letter of pattern.replace(/\s+/g, '')) {
    at = hay.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

function is(word: Word, text: string | null): boolean {
  if (text === null) return false;
  const [found, wanted] = [text.toLowerCase(), word.value.toLowerCase()];
  return word.exact ? found === wanted : found.startsWith(wanted);
}

function through(word: Word, node: Filterable): boolean {
  switch (word.key) {
    case null:
      return holds(node.id, word.value) || holds(node.version, word.value) || node.labels.some((label) => holds(label.value, word.value));
    case 'state':
      return stateOf(word.value) === 'drifted' ? DRIFTED.includes(node.state) : node.state === stateOf(word.value);
    case 'version':
      return is(word, node.version);
    case 'content':
      return (node.content ?? '').startsWith(word.value.toLowerCase());
    case 'api':
      return node.api === word.value.toLowerCase();
    case 'reload':
      return node.last_reload?.success === false;
    case 'verified':
      return node.verified === word.value.toLowerCase();
    default:
      return node.labels.some((label) => label.name.toLowerCase() === word.key && is(word, label.value)) || holds(node.id, `${word.key}:${word.value}`);
  }
}

/** Whether a filter lets a node through. */
export function matches(filter: Filter, node: Filterable): boolean {
  const all = ((): boolean => {
    switch (filter.mode) {
      case 'fuzzy':
        return fuzzy(node.id, filter.text);
      case 'labels':
        return filter.labels.every((wanted) => node.labels.some((label) => label.name === wanted.name && label.value === wanted.value));
      case 'words':
        return filter.words.every((word) => through(word, node) !== word.inverse);
    }
  })();
  return all !== filter.inverse;
}

/** States a line asks for, to show which chips are pressed. */
export function statesOf(line: string): DriftStateView[] {
  const { filter } = parse(line);
  if (filter?.mode !== 'words' || filter.inverse) return [];
  const asked = filter.words.find((word) => word.key === 'state' && !word.inverse);
  if (!asked) return [];
  return stateOf(asked.value) === 'drifted' ? [...DRIFTED] : [stateOf(asked.value) as DriftStateView];
}

/** The line after a press on a state chip. Terms are joined by *and*, so one state replaces another. */
export function toggleState(line: string, state: DriftStateView): string {
  const { filter } = parse(line);
  const rest = filter?.mode === 'words' && !filter.inverse ? filter.words.filter((word) => word.key !== 'state').map((word) => word.written) : [];
  const asked = statesOf(line);
  return [...(asked.length === 1 && asked[0] === state ? [] : [`state:${state}`]), ...rest].join(' ');
}

/** A value as an exact, quoted one. */
export const exactly = (value: string): string => `"${value.replace(/["\\]/g, '\\$&')}"`;
