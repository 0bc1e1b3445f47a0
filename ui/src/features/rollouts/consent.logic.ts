//! What approvals say, and which key somebody picked, without drawing them.
import type { CertificateTarget, GivenView, KeyRequest, PlanConsentView, SignerView } from '$lib/api/api';
import { sentence } from '$lib/domain/words.logic';

/** The choice of a key that is in no list: a file. */
export const KEY_FILE = 'file:';

export interface KeyForm {
  /** Name of a key of this machine, or [`KEY_FILE`]. */
  choice: string;
  path: string;
  passphrase: string;
  role: string;
}

/** Begins with the key that most likely signs: of this person, else the first, else a file. */
export function keyForm(signers: readonly SignerView[], person: string | null = null): KeyForm {
  const able = signers.filter((signer) => (person === null ? signer.roles.length > 0 : signer.person === person));
  const choice = (able[0] ?? signers[0])?.name ?? KEY_FILE;
  return { choice, path: '', passphrase: '', role: '' };
}

/** The picked key of this machine; nothing where a file was picked. */
export const signerOf = (form: KeyForm, signers: readonly SignerView[]): SignerView | null => signers.find((signer) => signer.name === form.choice) ?? null;

/** The file of the picked key; nothing where it is in the keyring. */
export function keyFile(form: KeyForm, signers: readonly SignerView[]): string | null {
  const signer = signerOf(form, signers);
  return signer === null ? form.path.trim() : signer.file;
}

/** What is still missing of a key, in a sentence. */
export function keyMissing(form: KeyForm, signers: readonly SignerView[]): string | undefined {
  const file = keyFile(form, signers);
  if (file === null) return undefined;
  if (file === '') return 'Name the key file.';
  return form.passphrase === '' ? 'Type the passphrase of the key file.' : undefined;
}

/** The key as it is sent. The caller forgets the passphrase in the same moment. */
export function readKey(form: KeyForm, signers: readonly SignerView[]): KeyRequest {
  const file = keyFile(form, signers);
  return file === null ? { key: 'kept', name: form.choice } : { key: 'file', path: file, passphrase: form.passphrase };
}

/** Why a plan cannot start for want of consent; nothing where it has all, or needs none. */
export function consentMissing(query: { data?: PlanConsentView | null | undefined; isError: boolean; isPending: boolean }): string | undefined {
  if (query.isPending) return 'Looking at approvals…';
  if (query.isError) return 'How it stands with approvals is not known.';
  return query.data && !query.data.approvals.consented ? sentence(query.data.approvals.standing) : undefined;
}

/** How a plan stands, where what is missing is listed below it. */
export const standingWords = ({ approvals }: PlanConsentView): string => (approvals.missing.length > 0 ? 'Not everybody who must consent has answered.' : sentence(approvals.standing));

const ACTS: Record<string, string> = { request: 'asks', approve: 'approves', refuse: 'refuses', review: 'reviewed' };
export const actWord = (act: string): string => ACTS[act] ?? act;

/** Answers first, as they came; the request itself is told apart. */
export const answers = (given: readonly GivenView[]): GivenView[] => given.filter((one) => one.act !== 'request');

/** A name for a file that somebody will recognise. */
export const fileName = (what: string, fleet: string, planHash: string): string => `${what}-${fleet}-${planHash.slice(0, 12)}.json`;

/** Time until a moment in ISO 8601, in seconds; below 0 once it is over. */
export const secondsUntil = (iso: string, nowMs: number): number => Math.round((Date.parse(iso) - nowMs) / 1000);

/** What is left of a time limit: `7 h 59 min`, `12 min`, `40 s`. */
export function countdown(seconds: number): string {
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${String(Math.floor((seconds % 3600) / 60)).padStart(2, '0')} min`;
  return seconds >= 60 ? `${Math.floor(seconds / 60)} min` : `${Math.max(0, seconds)} s`;
}

/** Targets of a certificate, those that do not stand first. */
export const stragglersFirst = (targets: readonly CertificateTarget[]): CertificateTarget[] => [...targets.filter((target) => target.straggles !== null), ...targets.filter((target) => target.straggles === null)];
