//! From what is typed about waves and gates to a request, or what is wrong with it.
import type { GateRequest, RolloutRequest, ShapeRequest } from '$lib/api/api';
import type { RolloutForm } from '$lib/state/rollouts.svelte';

export type Field = 'percent' | 'label' | 'first' | 'convergence' | 'errors' | 'p95' | 'limit' | 'soak' | 'tolerated';

export type Read = { request: RolloutRequest; wrong: null } | { request: null; wrong: Partial<Record<Field, string>> };

const words = (text: string): string[] => text.split(/[\s,;]+/).map((part) => part.replace(/%$/, '')).filter((part) => part !== '');
const whole = (text: string): number | null => (/^\d{1,9}$/.test(text.trim()) ? Number(text.trim()) : null);

const SOAK_MAX_S = 7 * 24 * 3600;
const UNITS: Record<string, number> = { '': 1, s: 1, min: 60, m: 60, h: 3600, d: 86_400 };

/** Seconds of `90`, `90 s`, `5 min`, `1 h 30 min`; nothing if it cannot be read. */
export function seconds(text: string): number | null {
  const parts = text.trim().toLowerCase();
  if (parts === '') return 0;
  if (!/^(\d+\s*(s|min|m|h|d)?\s*)+$/.test(parts)) return null;
  const found = [...parts.matchAll(/(\d+)\s*(s|min|m|h|d)?/g)];
  if (found.length > 1 && found.some((part) => part[2] === undefined)) return null;
  const sum = found.reduce((total, part) => total + Number(part[1]) * (UNITS[part[2] ?? ''] ?? 1), 0);
  return sum <= SOAK_MAX_S ? sum : null;
}

/** Shares in percent, each more than the one before; nothing if it cannot be read. */
export function shares(text: string): number[] | null {
  const read = words(text).map(whole);
  const good = read.every((share, index) => share !== null && share >= 1 && share <= 100 && share > (read[index - 1] ?? 0));
  return good ? read.filter((share) => share !== null) : null;
}

/** Thousandths of a decimal with at most three places; nothing if it cannot be read. */
export function milli(text: string): number | null {
  const read = /^(-?)(\d{1,9})(?:\.(\d{1,3}))?$/.exec(text.trim());
  if (read === null) return null;
  const value = Number(read[2]) * 1000 + Number((read[3] ?? '').padEnd(3, '0'));
  return read[1] === '-' ? -value : value;
}

function shapeOf(form: RolloutForm, wrong: Partial<Record<Field, string>>): ShapeRequest {
  const canary = form.canary.trim() === '' ? null : form.canary.trim();
  switch (form.shape) {
    case 'one_by_one':
      return { shape: 'one_by_one' };
    case 'by_label':
      if (form.label.trim() === '') wrong.label = 'Write the label, for example region.';
      return { shape: 'by_label', label: form.label.trim(), order: words(form.order), canary };
    case 'blue_green':
      if (form.label.trim() === '') wrong.label = 'Write the label that tells the halves apart.';
      if (form.first.trim() === '') wrong.first = 'Write the value of the half to begin with.';
      return { shape: 'blue_green', label: form.label.trim(), first: form.first.trim() };
    case 'shares': {
      const percent = shares(form.percent);
      if (percent === null) wrong.percent = 'Whole percents from 1 to 100, each more than the one before.';
      return { shape: 'shares', canary, percent: percent ?? [] };
    }
  }
}

function gateOf(form: RolloutForm, wrong: Partial<Record<Field, string>>): GateRequest | null {
  const gate: GateRequest = { decisions: form.decisions, prometheus: [], soak_s: seconds(form.soak) ?? 0 };
  if (seconds(form.soak) === null) wrong.soak = 'Write a time up to 7 d, for example 5 min.';
  const number = (text: string, field: Field, from: number, to: number, sentence: string): number | null => {
    if (text.trim() === '') return null;
    const value = whole(text);
    if (value === null || value < from || value > to) wrong[field] = sentence;
    return value;
  };
  const convergence = number(form.convergence, 'convergence', 1, 100, 'Whole percents from 1 to 100.');
  if (convergence !== null) gate.convergence_percent = convergence;
  const errors = number(form.errors, 'errors', 0, 1_000_000, 'A whole number up to 1,000,000.');
  if (errors !== null) gate.errors_ppm = errors;
  const p95 = number(form.p95, 'p95', 1, 999_999_999, 'A whole number of microseconds, for example 5000.');
  if (p95 !== null) gate.p95_us = p95;
  const limit = milli(form.limit);
  if (form.query.trim() !== '' && limit === null) wrong.limit = 'A number with at most three places after the point, for example 0.05.';
  if (form.query.trim() === '' && form.limit.trim() !== '') wrong.limit = 'Write the query that is held to this limit.';
  if (form.query.trim() !== '' && limit !== null) gate.prometheus = [{ query: form.query.trim(), at_most_milli: limit }];
  if (form.attest.trim() !== '') gate.attest = form.attest.trim();
  const looks = Object.keys(gate).length > 3 || gate.decisions || gate.prometheus.length > 0 || gate.soak_s > 0;
  return looks ? gate : null;
}

/** The rollout that is asked for, or every field that cannot be read, with what to write instead. */
export function readForm(form: RolloutForm): Read {
  const wrong: Partial<Record<Field, string>> = {};
  const shape = shapeOf(form, wrong);
  const gate = gateOf(form, wrong);
  const tolerated = whole(form.tolerated);
  if (tolerated === null) wrong.tolerated = 'A whole number; 0 stops at the first failure.';
  if (Object.keys(wrong).length > 0) return { request: null, wrong };
  return { request: { shape, gate, roll_back_on_failure: form.rollBack, failures_tolerated: tolerated ?? 0 }, wrong: null };
}
