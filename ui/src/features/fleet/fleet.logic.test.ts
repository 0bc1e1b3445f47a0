import { describe, expect, it } from 'vitest';
import { createFake } from '$lib/api/fake';
import { bar, driftedCount, idsInState, matchedIds, pageFor, readSort, shareFilter } from './fleet.logic';

const fake = createFake({ fleet: 'demo' });
const view = await fake.fleetOverview('demo', pageFor('region:fra', 'state', false, 0));
const { ids } = await fake.nodeNames('demo');

describe('fleet', () => {
  it('counts as drifted what a sync can mend', () => expect(driftedCount(view)).toBe(6));
  it('lists nodes by state from the matrix', () => expect(idsInState(view, ids, 'b')).toEqual(['osl-gw-1', 'osl-gw-2']));
  it('lists nodes the filter shows', () => expect(matchedIds(view, ids)).toEqual(['fra-gw-1', 'fra-gw-2', 'fra-pay-1', 'fra-pay-2', 'fra-opa-1']));
  it('reads only sorts that exist', () => expect([readSort('latency'), readSort('rm -rf'), readSort(null)]).toEqual(['latency', 'state', 'state']));

  it('writes the filter of a share', () => {
    const share = { version: 'v42', content: 'a'.repeat(64), count: 1, state: 'in_sync' as const, same_version_other_content: false };
    expect(shareFilter(share)).toBe(`version:"v42" content:${'a'.repeat(12)}`);
    expect(shareFilter({ ...share, version: null, content: null })).toBeNull();
  });

  it('sums up what has no segment of its own', () => {
    const shares = Array.from({ length: 20 }, (_, index) => ({ version: `v${index}`, content: null, count: 2, state: 'behind' as const, same_version_other_content: false }));
    expect(bar(shares)).toMatchObject({ restNodes: 26, restShares: 13 });
  });
});
