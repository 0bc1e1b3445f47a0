//! Baselines in the address, policies as a list, text as coloured pieces.
import { exactly } from '$lib/domain/filter.logic';
import { count, moment, visible } from '$lib/domain/words.logic';
import type { Baseline, DiffPiece, DriftView, GroupView, NodeSelection, PolicyChange, PolicyDiffLine } from '$lib/api/api';

/** A baseline as one word for the address. */
export function baselineKey(baseline: Baseline): string {
  switch (baseline.kind) {
    case 'desired':
    case 'majority':
      return baseline.kind;
    case 'node':
      return `node ${baseline.id}`;
    case 'bundle':
      return `bundle ${baseline.content}`;
    case 'moment':
      return `moment ${baseline.at_ms} ${baseline.id}`;
  }
}

/** What the menu of baselines offers: those the backend names, and the way to those of the past. */
export type Offered = Baseline | 'past';

/** A baseline in words; moments are told in the clock of the window. */
export function baselineWords(baseline: Baseline, label: string, utc: boolean): string {
  return baseline.kind === 'moment' && Number.isFinite(baseline.at_ms) ? `${baseline.id} at ${moment(baseline.at_ms, utc)}` : label;
}

export function readBaseline(text: string | null): Baseline {
  const [kind = '', ...rest] = (text ?? '').split(' ');
  const value = rest.join(' ');
  if (kind === 'majority') return { kind };
  if (kind === 'node' && value !== '') return { kind, id: value };
  if (kind === 'bundle' && value !== '') return { kind, content: value };
  if (kind === 'moment' && rest.length > 1 && /^-?\d+$/.test(rest[0] ?? '')) return { kind, at_ms: Number(rest[0]), id: rest.slice(1).join(' ') };
  return { kind: 'desired' };
}

/** The group that is looked at: the one asked for by key or by a node in it, else the largest that differs from the baseline. */
export function chosenGroup(view: DriftView, asked: string | null, node: string | null): GroupView | undefined {
  return view.groups.find((group) => group.key === asked) ?? (node === null ? undefined : view.groups.find((group) => group.nodes.includes(node))) ?? view.groups.find((group) => !group.is_baseline && group.content !== null) ?? view.groups.find((group) => !group.is_baseline) ?? view.groups[0];
}

export const differing = (policies: readonly PolicyDiffLine[]): number => policies.filter((line) => line.change !== 'equal').length;

export const CHANGE_WORDS: Record<PolicyChange, string> = { added: 'added', removed: 'removed', changed: 'changed', moved: 'moved', equal: 'equal' };

/** Glyphs of changes, in the same 16 by 16 box as those of the states. */
export const CHANGE_GLYPHS: Record<PolicyChange, string> = {
  added: 'M8 3.5v9M3.5 8h9',
  removed: 'M3.5 8h9',
  changed: 'M3 9.5c1.5-3 3.5-3 5-1.5s3.5 1.5 5-1.5',
  moved: 'M8 3v10M5 5.7L8 2.8l3 2.9M5 10.3L8 13.2l3-2.9',
  equal: '',
};

export function position(line: PolicyDiffLine): string | null {
  return line.moved && line.from_position !== null && line.to_position !== null ? `${line.from_position} to ${line.to_position}` : null;
}

/** The nodes of a group as a selection: names while they are all known, else a filter that finds them. */
export function selectionOf(group: GroupView): NodeSelection {
  if (group.nodes.length === group.count) return { select: 'nodes', ids: group.nodes };
  return { select: 'filter', filter: [group.version === null ? '' : `version:${exactly(group.version)}`, group.content === null ? '' : `content:${group.content}`].filter((part) => part !== '').join(' ') };
}

export type Ink = 'key' | 'string' | 'number' | 'word' | 'comment' | 'plain';
export interface Inked {
  text: string;
  ink: Ink;
  emphasised: boolean;
}

const JSON_TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g;
const REGO_TOKENS = /(#.*$)|("(?:[^"\\]|\\.)*"|`[^`]*`)|\b(package|import|default|allow|deny|if|in|not|some|every|contains|else|with|as|true|false|null)\b|(-?\d+(?:\.\d+)?)/g;

function inks(line: string, language: string): Ink[] {
  const of: Ink[] = Array.from({ length: line.length }, () => 'plain');
  const paint = (from: number, text: string | undefined, ink: Ink): void => {
    for (let at = 0; at < (text?.length ?? 0); at += 1) of[from + at] = ink;
  };
  for (const match of line.matchAll(language === 'rego' ? REGO_TOKENS : JSON_TOKENS)) {
    if (language === 'rego') {
      paint(match.index, match[1], 'comment');
      paint(match.index, match[2], 'string');
      paint(match.index, match[3], 'word');
      paint(match.index, match[4], 'number');
    } else {
      paint(match.index, match[1], match[2] === undefined ? 'string' : 'key');
      paint(match.index, match[3], 'number');
      paint(match.index, match[4], 'word');
    }
  }
  return of;
}

/** A line longer than this is shown without colours: colouring it helps nobody and takes time. */
const INK_MAX = 4_000;

/** Pieces of a line with a colour each; what differs stays marked. */
export function ink(pieces: readonly DiffPiece[], language: string): Inked[] {
  const line = pieces.map((piece) => piece.text).join('');
  if (line.length > INK_MAX) return pieces.map((piece) => ({ ...piece, ink: 'plain' }));
  const of = inks(line, language);
  const out: Inked[] = [];
  let at = 0;
  for (const piece of pieces) {
    for (const character of piece.text) {
      const last = out.at(-1);
      const colour = of[at] ?? 'plain';
      if (last?.ink === colour && last.emphasised === piece.emphasised) last.text += character;
      else out.push({ text: character, ink: colour, emphasised: piece.emphasised });
      at += character.length;
    }
  }
  return out;
}

/** Which nodes of a group are not verified and which checks failed on them; empty where nothing is odd. */
export function verificationDetail(group: GroupView): string {
  const checks = group.failed_checks.slice(0, 3).map((check) => `${visible(check.name)} on ${count(check.nodes)}`);
  const parts = [
    group.unverified > 0 ? `${count(group.unverified)} of ${count(group.count)}` : '',
    checks.length > 0 ? `failed: ${checks.join(', ')}` : '',
    group.verification_unknown > 0 && group.verification_unknown < group.count ? `${count(group.verification_unknown)} do not tell` : '',
  ];
  return parts.filter((part) => part !== '').join(' · ');
}
