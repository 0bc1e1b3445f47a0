//! How the fake's nodes verify what they run, and their ways back.
import type { CheckLine, ReadinessView, VerificationView } from '../api';
import { START_MS, bundleDigest, type FakeNode } from './fleets';

const NAMES = 'bundle.format bundle.media_type bundle.material artifact.digest artifact.subject certificate.format certificate.usage certificate.path certificate.chain certificate.authority_window certificate.time certificate.sct certificate.sct_log timestamp.tsa timestamp.window timestamp.present timestamp.not_future log.present log.known log.inclusion_proof log.checkpoint log.inclusion_promise log.key_window log.entry signature identity.san identity.issuer'.split(' ');
const NOT_NEEDED = ['artifact.subject', 'timestamp.tsa', 'timestamp.window', 'log.inclusion_promise'];

const FIELD: CheckLine[] = [
  { name: 'signature present', outcome: 'passed', detail: null },
  { name: 'content hash', outcome: 'passed', detail: 'sha256 of the policies' },
  { name: 'trusted signature', outcome: 'passed', detail: 'key signer-2026a' },
];

function sigstore(wrongIdentity: boolean): CheckLine[] {
  return NAMES.map((name): CheckLine => {
    if (NOT_NEEDED.includes(name)) return { name, outcome: 'not_made', detail: null };
    if (wrongIdentity && name === 'identity.san') return { name, outcome: 'failed', detail: 'https://github.com/elsewhere/policies/.github/workflows/release.yml@refs/heads/main is none of the expected names' };
    if (wrongIdentity && name === 'identity.issuer') return { name, outcome: 'failed', detail: 'https://token.example.org vouched, expected https://token.actions.githubusercontent.com' };
    return { name, outcome: 'passed', detail: null };
  });
}

export function verification(node: FakeNode): VerificationView | null {
  if (node.verified === 'unknown') return null;
  const refused = node.state === 'diverged';
  const agent = node.api === 'agent';
  return {
    verified: node.verified,
    checks: agent ? sigstore(refused) : node.state === 'tampered' ? [] : FIELD,
    carried_by: node.state === 'tampered' || refused ? null : agent ? 'certificate 9f31c04ab2de of https://github.com/payments/policies/.github/workflows/release.yml@refs/heads/main, log rekor.sigstore.dev index 118204417, 2026-11-20T12:00:04Z' : 'RSA-PSS-SHA256, key signer-2026a',
    origin: agent ? 'pack https://hub.ops.example/v1/packs/payments-core' : null,
    fallback: refused ? 'verification failed: identity.san: the release workflow of another repository signed it' : null,
    fallback_since_ms: refused ? START_MS - 38 * 60_000 : null,
    consecutive_failures: refused ? 4 : 0,
    verified_at_ms: agent ? START_MS - 95_000 : null,
    source: agent ? '/v1/agent/status' : '/bundle',
    at_ms: node.seen_at_ms ?? START_MS,
  };
}

export function readiness(node: FakeNode): ReadinessView | null {
  if (node.state === 'unknown') return null;
  const nothing = { ready: false, version: null, content: null, digest: null, path: null, verified_by: null, source: null };
  if (node.api === 'opa') return { ...nothing, driver: 'none from here', problem: 'An unmodified OPA takes bundles from its own server only; publish the bundle there.' };
  const driver = node.api === 'agent' ? "the agent's own last known good" : 'reload of an earlier signed bundle';
  const before = node.previous_content;
  if (before === null || node.state === 'ahead') return { ...nothing, driver, problem: node.api === 'agent' ? 'the agent keeps no last known good: it has loaded one bundle only' : 'no other signed bundle is known that this node ran before' };
  return {
    ready: true,
    driver,
    version: before.version,
    content: before.digest,
    digest: bundleDigest(before.digest),
    path: node.api === 'agent' ? `/var/lib/plumb-agent/lkg/${before.version}.signed.json` : `/srv/policies/${before.version}.signed.json`,
    verified_by: 'key signer-2026a',
    source: node.api === 'agent' ? '/v1/agent/status' : "the console's history",
    problem: null,
  };
}
