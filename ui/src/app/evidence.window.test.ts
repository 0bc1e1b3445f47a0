import { describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { expectAccessible, openWindow } from './window.kit';

const slider = () => page.getByRole('region', { name: 'Moment of the evidence' }).getByRole('slider');
const bar = () => page.getByRole('region', { name: 'Moment of the evidence' });
const links = (): (string | undefined)[] => page.getByRole('navigation', { name: 'Screens' }).getByRole('link').elements().map((link) => /^\s*([A-Z][a-z]+)/.exec(link.textContent ?? '')?.[1]);

describe('the Evidence screen', () => {
  it('opens an archive, lists each check with its result, and turns the window into a read-only session', async () => {
    await openWindow({ hash: 'evidence' });
    await expect.element(page.getByRole('heading', { name: 'No evidence is open' })).toBeVisible();
    await expectAccessible();
    await page.getByRole('button', { name: 'Open evidence…' }).click();
    await expect.element(page.getByRole('heading', { name: 'Every promise holds' })).toBeVisible();
    await expect.element(page.getByText('EVIDENCE read-only')).toBeVisible();
    const rows = page.getByRole('region', { name: 'Verification' }).getByRole('row');
    expect(rows.elements()).toHaveLength(13);
    await expect.element(page.getByRole('row', { name: /state after every event passed run .* 92 states come out as recorded/ })).toBeVisible();
    await expectAccessible();
    await page.getByRole('button', { name: 'Back to the fleets' }).click();
    await expect.element(page.getByText('LIVE', { exact: true })).toBeVisible();
    await expect.element(bar()).not.toBeInTheDocument();
  });

  it('names the first broken entry, and shows no fleet', async () => {
    await openWindow({ evidence: 'broken' });
    await expect.element(page.getByRole('heading', { name: '2 promises broken' })).toBeVisible();
    await expect.element(page.getByText(/The first broken entry is runs\/.*journal\.jsonl/)).toBeVisible();
    await expect.element(bar()).not.toBeInTheDocument();
    await expect.element(page.getByText('LIVE', { exact: true })).toBeVisible();
    await expectAccessible();
  });

  it('tells a stranger from a forger', async () => {
    await openWindow({ evidence: 'stranger' });
    await expect.element(page.getByText(/nobody here knows the key that sealed it/)).toBeVisible();
    await page.getByRole('button', { name: 'See the checks' }).click();
    await expect.element(page.getByRole('heading', { name: /nobody here knows who sealed it/ })).toBeVisible();
    await expectAccessible();
    await page.getByRole('button', { name: 'Name their key…' }).click();
    await expect.element(page.getByRole('heading', { name: 'Every promise holds' })).toBeVisible();
  });
});

describe('opened evidence', () => {
  it('has the screens of a fleet and nothing that changes or asks anything', async () => {
    const { changes } = await openWindow({ evidence: 'open' });
    await expect.element(page.getByRole('grid', { name: 'Nodes' })).toBeVisible();
    expect(links()).toEqual(['Fleet', 'Drift', 'Rollouts', 'Alerts', 'Runbooks', 'History', 'Evidence', 'Help']);
    for (const name of [/^(plan )?sync/i, /^pin/i, /^roll back/i, /^restart/i, /^sweep/i]) expect(page.getByRole('button', { name }).elements()).toEqual([]);
    for (const key of ['2', '3', '4', '5', '6']) {
      await userEvent.keyboard(key);
      await expect.element(page.getByText('EVIDENCE read-only')).toBeVisible();
      // A plan that waits is called by what it does, and can be signed for.
      for (const name of [/^(plan )?sync(?!.*sign approval)/i, /^claim/i, /^abort/i, /^new rollout/i, /^retention/i]) expect(page.getByRole('button', { name }).elements()).toEqual([]);
    }
    await userEvent.keyboard('spr');
    expect(changes).toEqual([]);
  });

  it('is led through by the slider and by keys, and says that the state is the recorded one', async () => {
    await openWindow({ evidence: 'open' });
    await expect.element(slider()).toBeVisible();
    const last = Number(slider().element().getAttribute('max'));
    await expect.element(bar().getByText('as it was captured')).toBeVisible();
    await userEvent.keyboard(',');
    await expect.element(bar().getByText('ended: succeeded')).toBeVisible();
    await expect.element(bar().getByText('state as recorded')).toBeVisible();
    await userEvent.keyboard('<');
    await expect.element(bar().getByText(/its disk is full/)).toBeVisible();
    await slider().fill('1');
    await expect.element(bar().getByText(/^started by ops@console/)).toBeVisible();
    await expect.element(bar().getByText(`1 of ${last}`)).toBeVisible();
    await userEvent.keyboard('.');
    await expect.element(bar().getByText(/^the lock was taken/)).toBeVisible();
    await expectAccessible();
  });
});

describe('runbooks in evidence', () => {
  it('are shown step by step, and nobody can say a word to them', async () => {
    const { changes } = await openWindow({ evidence: 'open', runbook: 'halted', hash: 'runbooks' });
    await expect.element(page.getByRole('article', { name: /^Run / })).toBeVisible();
    await expect.element(page.getByText('halted', { exact: true }).first()).toBeVisible();
    await expect.element(page.getByRole('article').getByRole('region', { name: 'Evidence' })).toBeVisible();
    for (const name of [/^pick up/i, /^pause/i, /^abort/i, /^library/i, /^doctor/i, /^record/i]) expect(page.getByRole('button', { name }).elements()).toEqual([]);
    await userEvent.keyboard('npbrx');
    expect(changes).toEqual([]);
    await expectAccessible();
  });

  it('say so where none had been run', async () => {
    await openWindow({ evidence: 'open', hash: 'runbooks' });
    await expect.element(page.getByText('No runbook had been run at this moment')).toBeVisible();
    await expectAccessible();
  });
});

describe('what can be done with evidence', () => {
  it('signs the approval of a plan that is found in it into a file, and nothing else', async () => {
    const { changes } = await openWindow({ evidence: 'open', hash: 'rollouts' });
    const waiting = page.getByRole('list', { name: 'Plans that waited for consent' });
    await expect.element(waiting).toBeVisible();
    await waiting.getByRole('button', { name: /Sync 38 nodes to v43.*Sign approval/ }).click();
    const dialog = page.getByRole('dialog', { name: 'Answer a request in this evidence' });
    await expect.element(dialog.getByLabelText('What you would sign')).toBeVisible();
    await expect.element(dialog.getByText('Nothing is sent')).toBeVisible();
    const sign = dialog.getByRole('button', { name: /^Sign the approval/ });
    await expectAccessible();
    await dialog.getByLabelText('Save the answer as').fill('/home/ops/answer.json');
    await sign.click();
    await expect.element(page.getByText(/Approved by sam; the answer is in \/home\/ops\/answer\.json/)).toBeVisible();
    expect(changes).toEqual([]);
  });

  it('is compared with other evidence by what both mean', async () => {
    await openWindow({ evidence: 'open', hash: 'evidence' });
    await page.getByRole('button', { name: 'Compare with…' }).click();
    await expect.element(page.getByRole('heading', { name: '9 differences' })).toBeVisible();
    for (const kind of ['Versions', 'Digests', 'Steps', 'Decisions', 'Timings']) await expect.element(page.getByRole('row', { name: new RegExp(`^${kind} `) })).toBeVisible();
    await expect.element(page.getByRole('row', { name: /decision 5 not told rolled back by mira/ })).toBeVisible();
    await expectAccessible();
    await page.getByRole('button', { name: 'Back to the checks' }).click();
    await expect.element(page.getByRole('heading', { name: 'Every promise holds' })).toBeVisible();
  });
});

describe('evidence that is not as it should be', () => {
  it('says what could not be read of it', async () => {
    await openWindow({ evidence: 'stranger' });
    await expect.element(page.getByText(/3 lines of this evidence could not be read and are not shown/)).toBeVisible();
    await page.getByRole('button', { name: 'See which' }).click();
    await expect.element(page.getByText(/the first is line 118/)).toBeVisible();
    await expectAccessible();
  });

  it('says why the file that the window was started with could not be opened', async () => {
    await openWindow({ evidence: 'missing' });
    await expect.element(page.getByRole('heading', { name: 'It could not be looked at' })).toBeVisible();
    await expect.element(page.getByRole('alert').getByText(/missing\.zip cannot be read/)).toBeVisible();
    await expect.element(page.getByText('LIVE', { exact: true })).toBeVisible();
    await expectAccessible();
  });
});
