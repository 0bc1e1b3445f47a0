import { describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import type { AboutView } from '$lib/api/api';
import { createFake } from '$lib/api/fake';
import { expectAccessible, openWindow } from './window.kit';

const dialog = () => page.getByRole('dialog');
const heading = (name: string | RegExp) => page.getByRole('heading', { name });
const button = (name: string | RegExp) => page.getByRole('button', { name });
const STILL = 1_000_000;

describe('every state of the Rollouts screen is accessible', () => {
  const states: [string, Parameters<typeof openWindow>[0], () => unknown][] = [
    ['nothing yet', { hash: 'rollouts' }, () => page.getByText('Nothing has been run in this fleet yet')],
    ['failed', { hash: 'rollouts', fleet: 'unreadable-store' }, () => page.getByText(/^The cache could not be read: database disk image is malformed/)],
    ['loading', { hash: 'rollouts', fleet: 'never-answers' }, () => page.getByRole('status', { name: 'Loading the runs' })],
    ['past', { hash: 'rollouts?run=r-0193', runs: 'past', tickMs: STILL }, () => page.getByText(/^Rolled back:/)],
    ['succeeded', { hash: 'rollouts?run=r-0192', runs: 'past', tickMs: STILL, theme: 'light' }, () => button('Plan the undo')],
    ['soaking', { hash: 'rollouts', runs: 'soak', tickMs: STILL, fleet: 'payments-eu' }, () => page.getByRole('timer')],
    ['waiting for attestation, light', { hash: 'rollouts', runs: 'attest', tickMs: STILL, theme: 'light' }, () => button('Attest…')],
    ['halted, high contrast', { hash: 'rollouts', runs: 'halted', tickMs: STILL, theme: 'contrast' }, () => page.getByText(/^Halted:/)],
    ['halted, light', { hash: 'rollouts', runs: 'halted', tickMs: STILL, theme: 'light' }, () => page.getByText(/^Halted:/)],
    ['rolling back', { hash: 'rollouts', runs: 'rolling', tickMs: STILL }, () => page.getByText(/^Rolling back:/)],
    ['nobody carries it', { hash: 'rollouts', runs: 'left', tickMs: STILL, theme: 'light' }, () => button('Pick up')],
    ['bypassed', { hash: 'rollouts', runs: 'skipped', tickMs: STILL }, () => page.getByText(/goes on past a safeguard/)],
    ['new', { hash: 'rollouts?step=new' }, () => heading('New rollout')],
    ['new, high contrast', { hash: 'rollouts?step=new', theme: 'contrast' }, () => heading('New rollout')],
    ['new, light', { hash: 'rollouts?step=new', theme: 'light' }, () => heading('New rollout')],
  ];
  it.each(states)('%s', async (_name, options, seen) => {
    await openWindow(options);
    await expect.element(seen() as ReturnType<typeof heading>).toBeVisible();
    await expectAccessible();
    expect([document.documentElement.scrollWidth, document.documentElement.scrollHeight]).toEqual([1280, 800]);
  });
});

describe('a rollout', () => {
  it('is planned from the empty screen by keys, reviewed, started, and watched to its end', async () => {
    const { changes } = await openWindow({ hash: 'rollouts' });
    await expect.element(button('Plan a rollout…')).toBeVisible();
    await userEvent.keyboard('n');
    await page.getByRole('textbox', { name: 'Soak' }).fill('0');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(page.getByRole('region', { name: 'Waves in order' }).getByText(/gate: every node runs the content wanted/).first()).toBeVisible();
    await expect.element(page.getByText('When a gate stays shut or a node fails, nothing further is changed until somebody decides.')).toBeVisible();
    await expectAccessible();
    expect(changes).toEqual([]);
    await userEvent.keyboard('{Control>}{Enter}{Enter}{/Control}');
    await expect.element(page.getByRole('article', { name: /^Run r-/ })).toBeVisible();
    await expect.element(page.getByText('All 6 nodes arrived', { exact: false }).first()).toBeVisible();
    await expect.element(page.getByText('3 of 3 passed')).toBeVisible();
    expect(changes).toEqual(['startRun']);
  });

  it('begins with marked nodes on Fleet, and comes back to its fields from the review', async () => {
    await openWindow();
    await expect.element(page.getByRole('grid', { name: 'Nodes' })).toBeVisible();
    await userEvent.keyboard(' j ');
    await button('In waves…').click();
    await expect.element(heading('New rollout')).toBeVisible();
    await page.getByText('One by one', { exact: true }).click();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(page.getByRole('region', { name: 'Waves in order' })).toBeVisible();
    await userEvent.keyboard('{Escape}');
    await expect.element(page.getByRole('radio', { name: 'One by one' })).toBeChecked();
    await userEvent.keyboard('{Escape}');
    await expect.element(heading('Rollouts')).toBeVisible();
  });

  it('is offered by the dialog of a plan, with the same selection', async () => {
    const { changes } = await openWindow();
    await button('Plan sync of 6 drifted').click();
    await dialog().getByRole('button', { name: 'Roll out in waves…' }).click();
    await expect.element(dialog()).not.toBeInTheDocument();
    await expect.element(page.getByText('every drifted node').first()).toBeVisible();
    expect(changes).toEqual([]);
  });

  it('is not planned from fields that cannot be read', async () => {
    await openWindow({ hash: 'rollouts?step=new' });
    await page.getByRole('textbox', { name: 'Shares' }).fill('50, 10');
    await expect.element(page.getByText('Whole percents from 1 to 100, each more than the one before.')).toBeVisible();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(heading('New rollout')).toBeVisible();
    await expectAccessible();
  });

  it('that is refused says why, and leads back to the fields', async () => {
    await openWindow({ hash: 'rollouts?step=new' });
    await page.getByRole('combobox', { name: 'Canary' }).fill('fra-gw-1');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(page.getByText(/The canary fra-gw-1 is not changed by this plan/)).toBeVisible();
    await button('Back').click();
    await expect.element(page.getByRole('combobox', { name: 'Canary' })).toHaveValue('fra-gw-1');
  });

  it('in production is started by the exact phrase only', async () => {
    const { changes } = await openWindow({ fleet: 'payments-eu', hash: 'rollouts?step=new' });
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    const field = page.getByRole('textbox', { name: /^Type payments-eu/ });
    await expect.element(field).toBeVisible();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    expect(changes).toEqual([]);
    await field.fill(/Type (.+) to go on/.exec(field.element().getAttribute('aria-label') ?? '')?.[1] ?? '');
    await expectAccessible();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.poll(() => changes).toEqual(['startRun']);
  });
});

describe('orders', () => {
  it('attest a gate with a note, and the run goes on', async () => {
    const { changes } = await openWindow({ hash: 'rollouts', runs: 'attest', tickMs: 200 });
    await expect.element(button('Attest…')).toBeVisible();
    await userEvent.keyboard('a');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    expect(changes).toEqual([]);
    await dialog().getByRole('textbox', { name: 'What you saw' }).fill('error rate flat for ten minutes');
    await expectAccessible();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(dialog()).not.toBeInTheDocument();
    await page.getByRole('region', { name: 'Waves' }).getByRole('button', { name: /canary/ }).click();
    await expect.element(page.getByText(/Attested by mira: error rate flat for ten minutes/)).toBeVisible();
    expect(changes).toEqual(['orderRun']);
  });

  it('skip a gate with a reason that stays on the screen', async () => {
    await openWindow({ hash: 'rollouts', runs: 'soak', tickMs: STILL });
    await button('Skip the gate…').click();
    await dialog().getByRole('textbox', { name: 'Why' }).fill('INC-7');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    const loud = page.getByText(/goes on past a safeguard: the gate of wave 1 was passed over by mira: INC-7/);
    await expect.element(loud).toBeVisible();
    // As long as the run goes on, on every screen.
    for (const key of ['1', '2', '7']) {
      await userEvent.keyboard(key);
      await expect.element(loud).toBeVisible();
    }
    await expectAccessible();
    await button('Show the run').first().click();
    await button('Abort…').click();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(page.getByText(/^Bypassed: the gate of wave 1/).first()).toBeVisible();
    await expect.element(loud).not.toBeInTheDocument();
    await userEvent.keyboard('e');
    await expect.element(dialog().getByRole('list', { name: 'What happened, newest first' })).toHaveTextContent(/The gate of wave 1 was passed over by mira: INC-7\./);
    await expectAccessible();
  });

  it('pause, resume, and roll back with a reason', async () => {
    const { changes } = await openWindow({ hash: 'rollouts', runs: 'soak', tickMs: 60 });
    await button('Pause').click();
    await expect.element(page.getByText(/Paused by mira/)).toBeVisible();
    await button('Resume').click();
    await expect.element(page.getByText(/Paused by mira/)).not.toBeInTheDocument();
    await button('Roll back…').click();
    await dialog().getByRole('textbox', { name: 'Why' }).fill('wrong bundle');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(page.getByText(/mira: wrong bundle/)).toBeVisible();
    await expect.element(page.getByRole('article').getByText('every node that was touched is back')).toBeVisible();
    expect(changes).toEqual(['orderRun', 'orderRun', 'orderRun']);
  });

  it('halt at a failing node by themselves, and abort on demand', async () => {
    await openWindow({ hash: 'rollouts', runs: 'halted', tickMs: STILL });
    await expect.element(page.getByText(/Halted: 1 of 6 nodes failed, 0 are tolerated/)).toBeVisible();
    await expect.element(page.getByText(/HTTP status 422/)).toBeVisible();
    await button('Abort…').click();
    await expect.element(dialog().getByText(/did not begin stay as they are/)).toBeVisible();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(page.getByRole('article').getByText('aborted', { exact: true })).toBeVisible();
    expect(button('Resume').elements()).toEqual([]);
  });

  it('pick up what nobody carries out', async () => {
    const { changes } = await openWindow({ hash: 'rollouts', runs: 'left', tickMs: 40 });
    await expect.element(page.getByText(/Nobody carries this out/)).toBeVisible();
    await button('Pick up').click();
    await expect.element(page.getByText('all 6 nodes arrived').first()).toBeVisible();
    expect(changes).toEqual(['resumeRun']);
  });

  it('bring back or abort what nobody carries out, without going on first', async () => {
    const { changes } = await openWindow({ hash: 'rollouts', runs: 'left', tickMs: 40 });
    await button('Roll back…').click();
    await dialog().getByRole('textbox', { name: 'Why' }).fill('wrong bundle');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(page.getByRole('article').getByText('every node that was touched is back')).toBeVisible();
    expect(changes).toEqual(['orderRun']);
  });

  it('do not exist in a read-only fleet', async () => {
    await openWindow({ fleet: 'auditors-view', hash: 'rollouts', runs: 'halted', tickMs: STILL });
    await expect.element(page.getByRole('article')).toBeVisible();
    for (const name of [/^Resume/, /^Roll back/, /^Abort/, /^New rollout/, /undo/]) expect(button(name).elements()).toEqual([]);
  });
});

describe('a click on a notification of the desktop', () => {
  it('leads to the run it was about, in its fleet', async () => {
    const fake = createFake({ fleet: 'demo', runs: 'past', tickMs: STILL });
    let click: (about: AboutView) => void = () => undefined;
    await openWindow({ api: { ...fake, onClicked: (heard) => { click = heard; return Promise.resolve(() => undefined); } } });
    await expect.element(page.getByRole('grid', { name: 'Nodes' })).toBeVisible();
    click({ about: 'run', fleet: 'demo', run: 'r-0192' });
    await expect.element(page.getByRole('article', { name: 'Run r-0192' })).toBeVisible();
    click({ about: 'run', fleet: 'payments-eu', run: 'r-0192' });
    await expect.element(button('Fleet: payments-eu')).toBeVisible();
    expect(location.hash).toBe('#/rollouts?run=r-0192');
  });

  it('leads to the plan that somebody asks to be approved', async () => {
    const fake = createFake({ fleet: 'demo', consent: 'partly', forced: true, tickMs: STILL });
    let click: (about: AboutView) => void = () => undefined;
    await openWindow({ api: { ...fake, onClicked: (heard) => { click = heard; return Promise.resolve(() => undefined); } } });
    await expect.element(page.getByRole('grid', { name: 'Nodes' })).toBeVisible();
    const [waits] = await fake.waitingPlans('demo');
    click({ about: 'plan', fleet: 'demo', plan: waits?.plan ?? '' });
    await expect.element(page.getByRole('region', { name: 'Approvals' }).getByText(/sam approves for storage/)).toBeVisible();
  });

  it('leads nowhere on a desktop that tells of none, and Settings say so', async () => {
    await openWindow({ hash: 'settings', clicks: false });
    await expect.element(page.getByRole('region', { name: 'Notifications' }).getByText(/does not tell when somebody clicks one/)).toBeVisible();
    await expectAccessible();
  });
});

describe('a rollout seen from another screen', () => {
  it('is in the dock, which leads to its waves and offers no order of its own', async () => {
    await openWindow({ runs: 'attest', tickMs: STILL });
    const dock = page.getByRole('region', { name: /^Run r-/ });
    await expect.element(dock).toBeVisible();
    expect(dock.getByRole('button', { name: /^Abort/ }).elements()).toEqual([]);
    await expect.element(page.getByRole('link', { name: /Rollouts\s*1 run goes on/ })).toBeVisible();
    await expectAccessible();
    await dock.getByRole('button', { name: 'Waves…' }).click();
    await expect.element(button('Attest…')).toBeVisible();
    await expect.element(dock).not.toBeInTheDocument();
  });

  it('is opened from the list of runs and from the command line', async () => {
    await openWindow({ runs: 'past', tickMs: STILL });
    await expect.element(page.getByRole('grid', { name: 'Nodes' })).toBeVisible();
    await userEvent.keyboard('h');
    await dialog().getByRole('option', { name: /Pin and sync/ }).click();
    await expect.element(page.getByRole('article', { name: 'Run r-0193' })).toBeVisible();
    await userEvent.keyboard('1:rollouts r-0192{Enter}');
    await expect.element(page.getByRole('article', { name: 'Run r-0192' })).toBeVisible();
  });
});
