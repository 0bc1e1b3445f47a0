import { describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { expectAccessible, openWindow } from './window.kit';

const dialog = () => page.getByRole('dialog');
const button = (name: string | RegExp) => page.getByRole('button', { name });
const region = (name: string | RegExp) => page.getByRole('region', { name });
const apply = () => userEvent.keyboard('{Control>}{Enter}{/Control}');
const runbook = (name: RegExp) => page.getByRole('list', { name: 'Runbooks' }).getByRole('button', { name });
const paper = (name: RegExp) => page.getByRole('article', { name });
const CONFLICT = 'runbooks?file=policy-version-conflicts.md';
const RUN = 'runbooks?run=019b2f10-7c1e-7a60-9d1c-000000000001';

describe('every state of the Runbooks screen is accessible and fits', () => {
  const states: [string, Parameters<typeof openWindow>[0], () => unknown][] = [
    ['library', { hash: 'runbooks' }, () => paper(/^Runbook/)],
    ['library, light', { hash: CONFLICT, theme: 'light' }, () => paper(/Version Conflicts/)],
    ['library, high contrast', { hash: CONFLICT, theme: 'contrast' }, () => paper(/Version Conflicts/)],
    ['steps', { hash: `${CONFLICT}&tab=steps` }, () => region('Steps in the order they are written')],
    ['never rehearsed', { hash: `${CONFLICT}&tab=rehearsal` }, () => page.getByText('It was not rehearsed in this fleet yet')],
    ['nobody vouches for it', { hash: 'runbooks?file=drain-one-region.md' }, () => page.getByText(/^Nobody vouches for this document/)],
    ['cannot be read', { hash: 'runbooks?file=half-written.md' }, () => page.getByText(/half-written.md:4:1: unknown field/)],
    ['nothing matches', { hash: 'runbooks?filter=atlantis' }, () => page.getByText('No runbook matches', { exact: true })],
    ['gone', { hash: 'runbooks?file=gone.md' }, () => page.getByText('There is no runbook gone.md')],
    ['failed', { hash: 'runbooks', fleet: 'unreadable-store' }, () => page.getByText(/^The cache could not be read/)],
    ['loading', { hash: 'runbooks', fleet: 'never-answers' }, () => page.getByRole('status', { name: 'Loading the library' })],
    ['run, confirming', { hash: RUN, runbook: 'confirm' }, () => region('Current step')],
    ['run, answering, light', { hash: RUN, runbook: 'question', theme: 'light' }, () => region('Current step')],
    ['run, with monitors', { hash: RUN, runbook: 'running' }, () => region('Monitors')],
    ['run, with monitors, high contrast', { hash: RUN, runbook: 'running', theme: 'contrast' }, () => region('Monitors')],
    ['run, halted', { hash: RUN, runbook: 'halted' }, () => page.getByRole('alert')],
    ['run, going back', { hash: RUN, runbook: 'back' }, () => page.getByText(/^stopped it: 84 is above 60/)],
    ['run, left behind', { hash: RUN, runbook: 'left' }, () => page.getByText('Nobody carries this out.')],
    ['run, begun unsigned', { hash: RUN, runbook: 'unsigned', consent: 'open' }, () => page.getByText(/It goes on no more: abort it/)],
    ['run, elsewhere', { hash: RUN, runbook: 'elsewhere' }, () => page.getByText('Another program carries this out.')],
    ['run, ended', { hash: RUN, runbook: 'ended' }, () => region('Evidence')],
    ['run, gone', { hash: 'runbooks?run=nope' }, () => page.getByText(/^There is no run nope/)],
  ];
  it.each(states)('%s', async (_name, options, seen) => {
    await openWindow(options);
    await expect.element(seen() as ReturnType<typeof dialog>).toBeVisible();
    await expectAccessible();
    expect([document.documentElement.scrollWidth, document.documentElement.scrollHeight]).toEqual([1280, 800]);
  });
});

describe('the library', () => {
  it('is reached by its key, moved through by keys, and opening runs nothing', async () => {
    const { changes } = await openWindow();
    await expect.element(page.getByRole('grid', { name: 'Nodes' })).toBeVisible();
    await userEvent.keyboard('5');
    await expect.element(paper(/OPA Process Crashed/)).toBeVisible();
    await userEvent.keyboard('j');
    await expect.element(paper(/Policy Storage Unavailable/)).toBeVisible();
    await userEvent.keyboard('/severity:high owner:platform');
    await expect.element(runbook(/Manual Rollback/)).toBeVisible();
    await expect.element(runbook(/Alerts - Triage/)).not.toBeInTheDocument();
    await userEvent.keyboard('{Enter}');
    await runbook(/Rotate the signing key/).click();
    await expect.element(paper(/Rotate/).getByText('Signed by sam')).toBeVisible();
    expect(changes).toEqual([]);
  });

  it('shows markup of others as text, and says who vouches for what', async () => {
    await openWindow({ hash: 'runbooks?file=drain-one-region.md' });
    await expect.element(paper(/Drain one region/).getByText('<script>alert(1)</script>')).toBeVisible();
    await expect.element(runbook(/Drain one region/).getByText('Unknown')).toBeVisible();
    await expect.element(runbook(/Version Conflicts/).getByText('Shipped')).toBeVisible();
    expect(document.querySelector('article script')).toBeNull();
  });

  it('lets a document that nobody vouches for run only once its digest is typed, to hosts that were allowed', async () => {
    const { changes } = await openWindow({ hash: 'runbooks?file=drain-one-region.md' });
    await button(/^Start…/).click();
    await apply();
    await expect.element(dialog().getByText('Its requests go to lb.example:8443: allow that first.').first()).toBeVisible();
    expect(changes).toEqual([]);
    await dialog().getByRole('checkbox', { name: 'lb.example:8443' }).click();
    await apply();
    await expect.element(dialog().getByRole('alert')).toHaveTextContent(/nobody vouches for this document/i);
    const field = dialog().getByRole('textbox', { name: /^Type run [0-9a-f]{12} to let it run/ });
    await field.fill('run');
    await apply();
    expect(changes).toEqual(['beginRunbook']);
    await expectAccessible();
    await field.fill(/run [0-9a-f]{12}/.exec(dialog().element().textContent ?? '')?.[0] ?? '');
    await apply();
    await expect.element(page.getByRole('article', { name: /^Run / })).toBeVisible();
  });

  it('rehearses with a fault at every step, and tells which step did not come out green', async () => {
    await openWindow({ hash: CONFLICT });
    await expect.element(paper(/Version Conflicts/)).toBeVisible();
    await userEvent.keyboard('t');
    await dialog().getByRole('combobox', { name: /Which version/ }).fill('v42');
    await dialog().getByRole('combobox', { name: /noticed first/ }).fill('osl-gw-1');
    await expectAccessible();
    await apply();
    await expect.element(region('Newest rehearsal').getByRole('status')).toHaveTextContent(/^Green: \d+ runs of it/);
    await expectAccessible();
    await runbook(/OPA Process Crashed/).click();
    await userEvent.keyboard('t');
    await apply();
    await expect.element(region('Newest rehearsal').getByText(/sync: it fails: sync was sent twice/i)).toBeVisible();
  });
});

describe('a run', () => {
  it('is started with typed parameters and led to its end, the next step always one key away', async () => {
    const { changes } = await openWindow({ hash: CONFLICT });
    await button(/^Start…/).click();
    await dialog().getByRole('combobox', { name: /Which version/ }).fill('v42');
    await apply();
    await expect.element(dialog().getByText('Give node first.').first()).toBeVisible();
    await dialog().getByRole('combobox', { name: /noticed first/ }).fill('osl-gw-1');
    await apply();
    const now = region('Current step');
    await expect.element(now.getByText('Waits for whoever runs it to confirm the plan')).toBeVisible();
    await expect.element(region('Evidence').getByText('versions-before.json')).toBeVisible();
    await userEvent.keyboard('n');
    await expectAccessible();
    await apply();
    await expect.element(now.getByText(/Sync to the desired version on 9 of 24 nodes/)).toBeVisible();
    await userEvent.keyboard('n');
    await dialog().getByRole('textbox', { name: 'Type demo 9 to carry it out' }).fill('demo 9');
    await apply();
    await expect.element(now.getByText('Waits for an answer of whoever runs it')).toBeVisible();
    await userEvent.keyboard('n');
    await dialog().getByRole('radio', { name: 'node out of sync' }).click();
    await expectAccessible();
    await apply();
    await expect.element(now.getByText(/Force a reload of the desired version on 1 of 24 nodes/)).toBeVisible();
    await userEvent.keyboard('n');
    await apply();
    await expect.element(page.getByRole('status').getByText('succeeded')).toBeVisible();
    await expect.element(region('Evidence').getByText('answers-after.json')).toBeVisible();
    expect(changes).toEqual(['beginRunbook', 'tellRunbook', 'tellRunbook', 'tellRunbook', 'tellRunbook']);
    // The arms that were not taken are there, and say so.
    await expect.element(region('Steps').getByRole('button', { name: /^not taken: Distribute/ })).toBeVisible();
    // It ends with one sealed file.
    await region('Evidence').getByRole('button', { name: 'Capture evidence' }).click();
    await expect.element(dialog().getByRole('heading', { name: /^Capture evidence of/ })).toBeVisible();
    await expect.element(dialog().getByRole('combobox', { name: 'What it is about' }).getByRole('option', { name: /^Run: .*Policy Version Conflicts/ })).toBeInTheDocument();
  });

  it('says what waits and for whom, in the rail, the library and the run', async () => {
    await openWindow({ hash: 'runbooks', runbook: 'approval' });
    await expect.element(page.getByRole('link', { name: /Runbooks\s*1 waits/ })).toBeVisible();
    await page.getByRole('list', { name: 'Runs under way' }).getByRole('button', { name: /Supersedes.*Waits for consent of Database and Platform team/ }).click();
    await expect.element(region('Current step').getByText('Waits for consent of Database and Platform team')).toBeVisible();
    await userEvent.keyboard('n');
    await dialog().getByRole('textbox', { name: 'Your name' }).fill('jo');
    await dialog().getByRole('checkbox', { name: 'I belong to Database' }).click();
    await expectAccessible();
    await apply();
    await expect.element(region('Current step').getByText('Waits for consent of Platform team')).toBeVisible();
  });

  it('is approved with a key where a roster rules the fleet', async () => {
    const { changes } = await openWindow({ hash: RUN, runbook: 'approval', consent: 'open' });
    await expect.element(region('Current step')).toBeVisible();
    await userEvent.keyboard('n');
    await expect.element(dialog().getByRole('combobox', { name: 'Sign with' })).toBeVisible();
    await expectAccessible();
    await apply();
    await expect.element(region('Current step').getByText('Waits for consent of Platform team')).toBeVisible();
    expect(changes).toEqual(['signRunbook']);
  });

  it('is answered with a key where a roster rules the fleet and the step says who may', async () => {
    const { changes } = await openWindow({ hash: RUN, runbook: 'handover', consent: 'open' });
    await expect.element(region('Current step').getByText('Waits until Platform team attests it')).toBeVisible();
    await userEvent.keyboard('n');
    await expect.element(dialog().getByRole('combobox', { name: 'Sign with' })).toBeVisible();
    await expect.element(dialog().getByText(/the answer is signed by somebody of Platform team/)).toBeVisible();
    expect(dialog().getByRole('textbox', { name: 'Your name' }).elements()).toEqual([]);
    await dialog().getByRole('textbox', { name: 'What you saw' }).fill('they took over at 09:40');
    await expectAccessible();
    await apply();
    await expect.element(region('So far').getByText(/^the answer at escalate: signed by sam \([0-9a-f]{12}\)$/)).toBeVisible();
    expect(changes).toEqual(['signRunbook']);
  });

  it('is answered by name where no roster rules the fleet', async () => {
    const { changes } = await openWindow({ hash: RUN, runbook: 'handover' });
    await expect.element(region('Current step')).toBeVisible();
    await userEvent.keyboard('n');
    await dialog().getByRole('textbox', { name: 'What you saw' }).fill('they took over at 09:40');
    await apply();
    await expect.element(dialog().getByText('Say that you belong to the group.').first()).toBeVisible();
    await dialog().getByRole('checkbox', { name: 'I belong to Platform team' }).click();
    await apply();
    await expect.element(dialog()).not.toBeInTheDocument();
    expect(changes).toEqual(['tellRunbook']);
  });

  it('is signed by whoever starts it, where others have to approve what it does', async () => {
    const { changes } = await openWindow({ hash: 'runbooks?file=supersedes-backfill.md', consent: 'open' });
    await button(/^Start…/).click();
    await dialog().getByRole('textbox', { name: /How many rows/ }).fill('184000');
    await expect.element(dialog().getByRole('combobox', { name: 'Sign with' })).toBeVisible();
    await expect.element(dialog().getByText(/whoever signs here approves nothing of this run/)).toBeVisible();
    await expectAccessible();
    await apply();
    await expect.element(page.getByRole('article', { name: /^Run / }).getByText(/^start signed by mira \([0-9a-f]{12}\)$/)).toBeVisible();
    expect(changes).toEqual(['beginRunbook']);
  });

  it('stands still where a step failed, until somebody decides', async () => {
    const { changes } = await openWindow({ hash: RUN, runbook: 'halted' });
    await expect.element(region('Current step').getByText('Failed: waits for whoever runs it to decide')).toBeVisible();
    await userEvent.keyboard('b');
    await apply();
    await expect.element(dialog().getByText('Write the reason first.').first()).toBeVisible();
    await dialog().getByRole('textbox', { name: 'Why' }).fill('the canary is broken');
    await apply();
    await expect.element(page.getByRole('status').getByText('rolled back')).toBeVisible();
    expect(changes).toEqual(['tellRunbook']);
  });

  it('does a step once more by a key, and settles what is in doubt by somebody who looked', async () => {
    await openWindow({ hash: RUN, runbook: 'halted' });
    await expect.element(button(/^Once more/)).toBeVisible();
    await userEvent.keyboard('r');
    await expect.element(page.getByRole('status').getByText('succeeded')).toBeVisible();
  });

  it('is never sent again when it is in doubt', async () => {
    await openWindow({ hash: RUN, runbook: 'doubt' });
    await expect.element(button(/^Settle…/)).toBeVisible();
    await userEvent.keyboard('n');
    await dialog().getByRole('radio', { name: 'It did happen' }).click();
    await dialog().getByRole('textbox', { name: 'How you know' }).fill('184,000 rows carry the mark');
    await expectAccessible();
    await apply();
    await expect.element(region('Evidence').getByText('report.json', { exact: true })).toBeVisible();
  });

  it('shows its monitors and its freeze as long as it is frozen', async () => {
    await openWindow({ hash: RUN, runbook: 'running' });
    await expect.element(region('Monitors').getByText('at most 60, every 10 s beside Backfill')).toBeVisible();
    await expect.element(page.getByText('The fleet is frozen.')).toBeVisible();
    await userEvent.keyboard('p');
    await expect.element(region('Current step').getByText(/paused by mira/)).toBeVisible();
    await userEvent.keyboard('n');
    await expect.element(region('Current step').getByText(/paused by mira/)).not.toBeInTheDocument();
  });

  it('that was left is picked up by one key', async () => {
    const { changes } = await openWindow({ hash: RUN, runbook: 'left' });
    await expect.element(button(/^Pick up/)).toBeVisible();
    await userEvent.keyboard('n');
    await expect.element(button(/^Answer…/)).toBeVisible();
    expect(changes).toEqual(['pickUpRunbook']);
  });

  it('that began unsigned is not gone on with, and is ended with the same dialog as any other', async () => {
    const { changes } = await openWindow({ hash: RUN, runbook: 'unsigned', consent: 'open' });
    await expect.element(page.getByText(/Nobody signed the start of this run.*It goes on no more: abort it/)).toBeVisible();
    await expect.element(button(/^Pick up \(Nobody signed the start/)).toHaveAttribute('aria-disabled', 'true');
    await userEvent.keyboard('n');
    await button(/^Abort…/).click();
    await expect.element(dialog().getByText(/nothing is taken back. The run cannot be gone on with/)).toBeVisible();
    await expectAccessible();
    await userEvent.keyboard('{Enter}');
    expect(changes).toEqual([]);
    await apply();
    await expect.element(page.getByRole('status').getByText('aborted')).toBeVisible();
    expect(changes).toEqual(['tellRunbook']);
  });

  it('of a read-only fleet takes no word', async () => {
    await openWindow({ hash: RUN, runbook: 'question', fleet: 'auditors-view' });
    await expect.element(region('Current step').getByText('This fleet is read-only.')).toBeVisible();
    expect(button(/^(Answer|Pause|Roll back|Abort)/).elements()).toEqual([]);
  });

  it('shows hostile titles as text', async () => {
    await openWindow({ hash: RUN, runbook: 'odd' });
    await expect.element(page.getByRole('heading', { name: /<img src=x onerror=alert\(1\)> \\u202etxt/ })).toBeVisible();
  });
});

describe('a runbook begins where something was seen', () => {
  it('from an alert, with what it names filled in', async () => {
    await openWindow({ hash: 'alerts?grouped=no' });
    await page.getByRole('grid', { name: 'Alerts' }).getByRole('row').filter({ hasText: 'another policy version' }).click();
    await button(/^Start: Policy Engine - Policy Version Conflicts/).click();
    await expect.element(dialog().getByText('Filled in from what you looked at: version, node.')).toBeVisible();
    await expect.element(dialog().getByRole('combobox', { name: /Which version/ })).toHaveValue('v42');
    await apply();
    await expect.element(page.getByRole('article', { name: /^Run / })).toBeVisible();
  });

  it('from a drift group', async () => {
    await openWindow({ hash: 'drift' });
    await button(/^Start: Policy Engine - Policy Version Conflicts/).first().click();
    await expect.element(dialog().getByRole('combobox', { name: /noticed first/ })).not.toHaveValue('');
  });

  it('from a finding of the doctor', async () => {
    await openWindow({ hash: 'runbooks' });
    await expect.element(paper(/^Runbook/)).toBeVisible();
    await userEvent.keyboard('D');
    await expect.element(dialog().getByText('Every node runs the same version')).toBeVisible();
    await expectAccessible();
    await dialog().getByRole('button', { name: /^Start: Policy Engine/ }).click();
    await expect.element(page.getByRole('dialog', { name: /^Start: Policy Engine/ })).toBeVisible();
  });
});

describe('the recorder', () => {
  it('makes a runbook of runs, and saves it where somebody says', async () => {
    const { changes } = await openWindow({ hash: 'rollouts', runs: 'past' });
    await button('Record as a runbook').click();
    await expect.element(dialog().getByRole('region', { name: 'The runbook' }).getByText(/rollback: back_sync/)).toBeVisible();
    await expectAccessible();
    await dialog().getByRole('textbox', { name: 'Title' }).fill('Bring the gateways up');
    await expect.element(dialog().getByText(/^---\s*title: 'Bring the gateways up'/)).toBeVisible();
    await apply();
    await expect.element(page.getByText('Recorded as /home/ops/bring-the-gateways-up.md')).toBeVisible();
    expect(changes).toEqual(['saveText']);
  });

  it('copies every action as a step', async () => {
    await openWindow({ hash: 'fleet?node=osl-gw-1' });
    await button('Copy as curl, command line or runbook step').click();
    await page.getByRole('menuitemradio', { name: /Sync\s*runbook step/ }).click();
    await expect.element(page.getByText(/^(Copied|Could not copy) the step$/)).toBeVisible();
    await userEvent.keyboard('{Control>}k{/Control}');
    await userEvent.keyboard('copy as runbook step');
    await expect.element(page.getByRole('option', { name: /Copy as runbook step: Sync/ })).toBeVisible();
  });
});
