//! What can be told about imports and credentials before the backend is asked.
import type { CredentialView, ImportFormat, ImportPreview } from '$lib/api/api';

export const FORMATS: readonly { key: ImportFormat; word: string; example: string }[] = [
  { key: 'prometheus_file_sd', word: 'Prometheus file_sd', example: '[{"targets": ["gw-1.ops.example:8443"], "labels": {"region": "eu"}}]' },
  { key: 'csv', word: 'CSV', example: 'id,api,url,region\ngw-1,agent,https://gw-1.ops.example:8443,eu' },
  { key: 'fleet_toml', word: 'Fleet TOML', example: '[[node]]\nid = "gw-1"\napi = "agent"\nurl = "https://gw-1.ops.example:8443"' },
];

/** The format a file's name or first characters suggest. */
export function guessFormat(name: string, text: string): ImportFormat {
  if (/\.json$/i.test(name) || text.trimStart().startsWith('[{') || /^\s*\[\s*\n?\s*\{/.test(text)) return 'prometheus_file_sd';
  if (/\.toml$/i.test(name) || /^\s*(\[\[|\w+\s*=)/m.test(text)) return 'fleet_toml';
  return 'csv';
}

const NAME = /^[A-Za-z0-9._:-]{1,64}$/;

/** Why the import cannot be previewed yet. */
export function importBlocked(name: string, text: string): string | undefined {
  if (!NAME.test(name)) return 'Give the fleet a name of letters, digits, ".", "_", ":" and "-".';
  if (text.trim() === '') return 'Paste the nodes or choose a file.';
  return undefined;
}

/** Why the previewed import cannot be saved. */
export function saveBlocked(preview: ImportPreview): string | undefined {
  if (preview.problems.length > 0) return 'Mend the problems first.';
  if (preview.added.length + preview.removed.length + preview.changed.length === 0) return 'Nothing would change.';
  return undefined;
}

export interface CredentialLook {
  word: string;
  kind: 'good' | 'bad' | 'muted';
  /** The secret can be put into the keyring from here. */
  settable: boolean;
  deletable: boolean;
}

export function credentialLook(credential: CredentialView): CredentialLook {
  const keyring = credential.kind === 'keyring';
  const present = credential.status === 'present';
  return { word: credential.status, kind: present ? 'good' : credential.status === 'missing' ? 'bad' : 'muted', settable: keyring, deletable: keyring && present };
}
