import { describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import type { Topic } from '$lib/api/api';
import { createFake } from '$lib/api/fake';
import front from '../../../src-tauri/src/front.rs?raw';
import { expectAccessible, openWindow } from './window.kit';

/** What the window may ask of evidence, as its process has it, and what is asked of this machine instead. */
const OF_EVIDENCE = new Set([...(/OF_EVIDENCE: &\[&str\] = &\[([^\]]*)\]/.exec(front)?.[1] ?? '').matchAll(/"(\w+)"/g)].map((found) => found[1] ?? ''));
const OF_THIS_MACHINE = new Set(['opened_evidence', 'on_topics', 'on_dropped', 'on_clicked', 'painted', 'visible']);
const command = (call: string): string => call.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

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

  it('opens a file that is dropped onto the window, and keeps what is shown where the next one is broken', async () => {
    const fake = createFake({ fleet: 'demo', tickMs: 20 });
    let drop: (path: string) => void = () => undefined;
    await openWindow({ api: { ...fake, onDropped: (heard) => { drop = heard; return Promise.resolve(() => undefined); } } });
    await expect.element(page.getByText('LIVE', { exact: true })).toBeVisible();
    drop('/home/ops/rollout.evidence.zip');
    await expect.element(page.getByRole('heading', { name: 'Every promise holds' })).toBeVisible();
    await expect.element(page.getByText('EVIDENCE read-only')).toBeVisible();
    drop('/home/ops/broken.zip');
    await expect.element(page.getByRole('heading', { name: '2 promises broken' })).toBeVisible();
    await expect.element(page.getByText('/home/ops/broken.zip is not shown as a fleet')).toBeVisible();
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

describe('capturing', () => {
  it('previews what is taken out, then seals into a file', async () => {
    const { changes } = await openWindow({ hash: 'evidence' });
    await page.getByRole('button', { name: /^Capture…/ }).click();
    const dialog = page.getByRole('dialog', { name: 'Capture evidence of demo' });
    await dialog.getByRole('button', { name: 'Preview what is taken out' }).click();
    const preview = dialog.getByRole('region', { name: 'Preview of the capture' });
    await expect.element(preview.getByText('7 secrets would be replaced')).toBeVisible();
    await expect.element(preview.getByText('an unmodified OPA has no such endpoint')).toBeVisible();
    expect(preview.getByText('private keys').elements()).toEqual([]);
    await expectAccessible();
    // Another question makes the preview one of something else.
    await dialog.getByRole('checkbox', { name: /^Ask the nodes/ }).click();
    await expect.element(preview).not.toBeInTheDocument();
    expect(changes).toEqual([]);
    await expect.element(dialog.getByText('Say where the archive goes.').first()).toBeVisible();
    await dialog.getByLabelText('Save the archive as').fill('/home/ops/now.evidence.zip');
    await dialog.getByRole('button', { name: /^Capture and seal/ }).click();
    await expect.element(page.getByText(/^Sealed as \/home\/ops\/now\.evidence\.zip: 47 entries, none of 96 planted secrets found in it/)).toBeVisible();
    expect(changes).toEqual(['captureEvidence']);
    // It is checked as a reader will check it, and says where it lies.
    await expect.element(page.getByRole('region', { name: 'Verification' }).getByText('Every promise holds')).toBeVisible();
    await expect.element(page.getByRole('region', { name: 'What the evidence is about' }).getByText('/home/ops/now.evidence.zip')).toBeVisible();
    await expectAccessible();
  });

  it('begins with the run that somebody looks at', async () => {
    await openWindow({ runs: 'past', hash: 'rollouts' });
    await page.getByRole('button', { name: 'Capture evidence' }).click();
    const about = page.getByRole('dialog', { name: 'Capture evidence of demo' }).getByLabelText('What it is about');
    await expect.element(about).toHaveDisplayValue(/^Run: /);
    expect(page.getByText('24 h', { exact: true }).elements()).toEqual([]);
    await expectAccessible();
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

  it('offers nothing that would look at nodes or write the record, in no corner of a run', async () => {
    const { changes } = await openWindow({ evidence: 'open', runs: 'past', hash: 'rollouts' });
    await expect.element(page.getByRole('article', { name: /^Run / })).toBeVisible();
    for (const name of [/^look now/i, /^look again/i, /^capture/i, /^make it anew/i, /record as a runbook/i, /^plan the undo/i]) expect(page.getByRole('button', { name }).elements()).toEqual([]);
    await page.getByRole('button', { name: /^Refused content/ }).click();
    await expect.element(page.getByRole('heading', { name: 'Refused content' })).toBeVisible();
    for (const name of [/^refuse a/i, /^take a list/i, /^save/i, /^sign/i, /^push/i]) expect(page.getByRole('button', { name }).elements()).toEqual([]);
    expect(page.getByText('The roster could not be read').elements()).toEqual([]);
    expect(changes).toEqual([]);
  });

  it('is asked only what its process answers of evidence', async () => {
    const asked = new Set<string>();
    const fake = createFake({ fleet: 'demo', tickMs: 20, evidence: 'open', runs: 'past', refused: true, consent: 'open' });
    const api = new Proxy(fake, { get: (target, name: keyof typeof fake) => (asked.add(command(name)), target[name]) });
    await openWindow({ api });
    await expect.element(page.getByRole('grid', { name: 'Nodes' })).toBeVisible();
    for (const hash of ['fleet?node=aud-can-0003', 'fleet?node=aud-can-0003&tab=raw', 'fleet?node=aud-can-0003&tab=logs', 'fleet?node=aud-can-0003&tab=policies', 'drift', 'drift?tab=decisions', 'rollouts', 'rollouts?refused=list', 'alerts', 'alerts?tab=incidents', 'runbooks', 'history', 'evidence']) {
      location.hash = `/${hash}`;
      await expect.element(page.getByText('EVIDENCE read-only')).toBeVisible();
      await expect.poll(() => page.getByText('Loading').elements().length).toBe(0);
    }
    expect(OF_EVIDENCE.size).toBeGreaterThan(30);
    expect([...asked].filter((name) => !OF_EVIDENCE.has(name) && !OF_THIS_MACHINE.has(name))).toEqual([]);
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
    await bar().getByRole('button', { name: 'Next decision or failure' }).click();
    await expect.element(bar().getByText('as it was captured')).toBeVisible();
    await bar().getByRole('button', { name: 'Decision or failure before' }).click();
    await expect.element(bar().getByText(/its disk is full/)).toBeVisible();
    // The slider stays under the pointer, whatever is told beside it.
    const width = slider().element().getBoundingClientRect().width;
    await slider().fill('1');
    await expect.element(bar().getByText(/^started by ops@console/)).toBeVisible();
    expect(slider().element().getBoundingClientRect().width).toBe(width);
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

  it('says so once, and leaves whoever goes on where they went', async () => {
    const fake = createFake({ fleet: 'demo', tickMs: 20, evidence: 'missing' });
    const told: ((topics: Topic[]) => void)[] = [];
    let asked = 0;
    let later = false;
    await openWindow({
      api: {
        ...fake,
        onTopics: (listener) => {
          told.push(listener);
          return fake.onTopics(listener);
        },
        openedEvidence: () => {
          asked += 1;
          return fake.openedEvidence();
        },
        shell: async () => {
          const now = await fake.shell();
          return later ? { ...now, fleets: now.fleets.map((fleet) => ({ ...fleet, environment: 'told anew' })) } : now;
        },
      },
    });
    await expect.element(page.getByRole('heading', { name: 'It could not be looked at' })).toBeVisible();
    await userEvent.keyboard('8');
    await expect.element(page.getByRole('heading', { name: 'Credentials' })).toBeVisible();
    const before = asked;
    later = true;
    for (const listener of told) listener([{ topic: 'shell' }]);
    await expect.element(page.getByText('told anew', { exact: true })).toBeVisible();
    expect(asked).toBe(before);
    await expect.element(page.getByRole('heading', { name: 'Credentials' })).toBeVisible();
  });
});
