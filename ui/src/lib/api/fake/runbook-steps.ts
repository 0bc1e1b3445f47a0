//! Steps of the runbooks that the fake can run.
import type { WaitingView } from '../api';
import { digest } from './seed';

/** What people have to give; nothing where it goes on by itself. */
type Wait = (fleet: string, now: number) => (Partial<WaitingView> & Pick<WaitingView, 'what'>) | null;

export interface FakeStep {
  id: string;
  title: string;
  kind: string;
  phase?: string;
  within?: string;
  arm?: string;
  wayBack?: boolean;
  mutates?: boolean;
  maySkip?: boolean;
  asks?: string;
  detail?: string;
  /** A step without it is done at once. */
  wait?: Wait;
}

const HOUR = 3_600_000;
const plan = (id: string): string => digest(`plan ${id}`);
const confirm = (id: string, summary: string, typed: (fleet: string) => string | null): Wait => (fleet) => ({ what: 'confirmation', text: summary, phrase: typed(fleet), plan: plan(id) });

export const CONFLICT: readonly FakeStep[] = [
  { id: 'consistent', title: 'Does the doctor see different versions?', kind: 'doctor', asks: 'doctor check check.policy.version-consistency', detail: 'nodes run 3 versions' },
  { id: 'versions', title: 'Versions of all nodes', kind: 'command', asks: 'plumb policy version --all-nodes --json' },
  { id: 'active', title: 'The active version', kind: 'command', asks: 'plumb policy active --show-version --json' },
  { id: 'before', title: 'Keep what was seen', kind: 'capture', detail: 'versions-before.json' },
  { id: 'pin', title: 'Pin the version', kind: 'action', mutates: true, asks: 'Pin v42 on all', wait: confirm('pin', 'Pin v42 on 0 of 24 nodes\npin the fleet to v42 77b0c1d2e3f4', () => null) },
  { id: 'sync', title: 'Bring every node to it', kind: 'action', mutates: true, asks: 'Sync to the desired version on all', wait: confirm('sync', 'Sync to the desired version on 9 of 24 nodes\n4 of v41 41d0aa93e6f7\n3 of v40 c2e8f0a1b2c3\n2 of v42 90ab12cd34ef', (fleet) => `${fleet} 9`) },
  { id: 'cause', title: 'What caused it?', kind: 'question', wait: () => ({ what: 'answer', text: 'What does the diagnosis say?', choices: ['distribution failed', 'node out of sync', 'concurrent deployments', 'polling', 'something else'], groups: [] }) },
  { id: 'branch', title: 'Remove the cause', kind: 'branch' },
  { id: 'distribute', title: 'Distribute the bundle again', kind: 'action', within: 'branch', arm: 'Bundle distribution failed', mutates: true, wait: confirm('distribute', 'Force a reload of the desired version on 24 of 24 nodes', (fleet) => `${fleet} 24`) },
  { id: 'resync', title: 'Force the node to load again', kind: 'action', within: 'branch', arm: 'Node out of sync', mutates: true, wait: confirm('resync', 'Force a reload of the desired version on 1 of 24 nodes', () => null) },
  { id: 'locking', title: 'Keep deployments from overlapping', kind: 'action', within: 'branch', arm: 'Concurrent deployments', mutates: true, wait: confirm('locking', 'Set deployment.locking to true on 24 of 24 nodes', () => null) },
  { id: 'escalate', title: 'Hand over', kind: 'attest', within: 'branch', arm: 'Something else', wait: () => ({ what: 'attestation', text: 'the Platform team was told what was tried, and took over', groups: ['Platform team'] }) },
  { id: 'same_version', title: 'All nodes run the same version', kind: 'doctor', asks: 'doctor check check.policy.version-consistency', detail: 'every node runs v42' },
  { id: 'same_answers', title: 'All nodes give the same answers', kind: 'command', maySkip: true, asks: 'plumb policy evaluate --test --all-nodes --json' },
  { id: 'after', title: 'Keep the proof', kind: 'capture', detail: 'answers-after.json' },
  { id: 'unpin', title: 'Lift the pin', kind: 'action', wayBack: true, mutates: true },
];

export const BACKFILL: readonly FakeStep[] = [
  { id: 'index', title: 'The idempotency index is there', kind: 'command', phase: 'preconditions', asks: 'job-index --check' },
  { id: 'snapshot', title: 'A snapshot was taken today', kind: 'attest', phase: 'preconditions', detail: 'snap-20261114-0300' },
  { id: 'consent', title: 'Consent of database and platform', kind: 'approval', phase: 'preconditions', wait: (_fleet, now) => ({ what: 'approval', text: 'backfill of 184,000 rows in batches of 500', groups: ['Database', 'Platform team'], until_ms: now + 2 * HOUR }) },
  { id: 'freeze', title: 'Freeze changes of policies', kind: 'freeze', phase: 'freeze', mutates: true, detail: 'frozen' },
  { id: 'dry_run', title: 'Dry run of the backfill', kind: 'command', phase: 'dry_run', asks: 'job-backfill --batch-size 500 --dry-run' },
  { id: 'keep_dry', title: 'Keep its report', kind: 'capture', phase: 'dry_run', detail: 'dry-run-report.json' },
  { id: 'backfill', title: 'Backfill', kind: 'command', phase: 'execute', mutates: true, asks: 'job-backfill --batch-size 500', wait: () => null },
  { id: 'counts', title: 'Counts are as expected', kind: 'query', phase: 'validate' },
  { id: 'absent', title: 'No duplicate was written', kind: 'query', phase: 'validate' },
  { id: 'report', title: 'Keep the report', kind: 'capture', phase: 'validate', detail: 'report.json' },
  { id: 'unfreeze', title: 'Lift the freeze', kind: 'unfreeze', phase: 'unfreeze', mutates: true },
  { id: 'restore', title: 'Roll the backfill back', kind: 'command', phase: 'rollback', wayBack: true, mutates: true, asks: 'job-rollback --window 2026-11-14T09:22:18Z' },
  { id: 'restore_snapshot', title: 'Restore the snapshot', kind: 'command', phase: 'rollback', wayBack: true, mutates: true, asks: 'job-restore snap-20261114-0300' },
];
