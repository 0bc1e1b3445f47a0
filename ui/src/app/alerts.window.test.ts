import { describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { createFake } from '$lib/api/fake';
import { expectAccessible, openWindow } from './window.kit';

const dialog = () => page.getByRole('dialog');
const button = (name: string | RegExp) => page.getByRole('button', { name });
const grid = () => page.getByRole('grid', { name: 'Alerts' });
const silent = 'nodes run other content under a version that stayed the same';

describe('every state of the Alerts screen is accessible', () => {
  const states: [string, Parameters<typeof openWindow>[0], () => unknown][] = [
    ['some', { hash: 'alerts' }, grid],
    ['some, light', { hash: 'alerts', theme: 'light' }, grid],
    ['some, high contrast', { hash: 'alerts', theme: 'contrast' }, grid],
    ['nothing ever told', { hash: 'alerts', alerts: 'none' }, () => page.getByText('No alert was ever told')],
    ['nothing waits', { hash: 'alerts', alerts: 'settled' }, () => page.getByText('Nothing waits for anybody')],
    ['nothing matches', { hash: 'alerts?text=atlantis' }, () => page.getByText('No alert matches')],
    ['failed', { hash: 'alerts', fleet: 'unreadable-store' }, () => page.getByText(/^The cache could not be read/)],
    ['loading', { hash: 'alerts', fleet: 'never-answers' }, () => page.getByRole('status', { name: 'Loading the inbox' })],
    ['of a hub', { hash: 'alerts', alerts: 'hub' }, () => page.getByText('PostgreSQL, durable')],
    ['offline', { hash: 'alerts', alerts: 'offline', theme: 'light' }, () => page.getByText(/Claims made meanwhile are tentative/)],
    ['in memory', { hash: 'alerts', alerts: 'memory' }, () => page.getByText(/^Every alert and incident is lost when the hub stops/)],
    ['incidents', { hash: 'alerts?tab=incidents' }, () => page.getByRole('list', { name: 'Timeline, oldest first' })],
    ['incidents, light', { hash: 'alerts?tab=incidents', theme: 'light' }, () => page.getByRole('list', { name: 'Timeline, oldest first' })],
    ['no incident', { hash: 'alerts?tab=incidents', alerts: 'none' }, () => page.getByText('No incident is open').last()],
  ];
  it.each(states)('%s', async (_name, options, seen) => {
    await openWindow(options);
    await expect.element(seen() as ReturnType<typeof grid>).toBeVisible();
    await expectAccessible();
    expect([document.documentElement.scrollWidth, document.documentElement.scrollHeight]).toEqual([1280, 800]);
  });
});

describe('the inbox', () => {
  it('is reached by its key, counted in the rail, and worked by keys alone', async () => {
    const { changes } = await openWindow();
    await expect.element(page.getByRole('link', { name: /Alerts\s*10 new/ })).toBeVisible();
    await userEvent.keyboard('4');
    await expect.element(grid()).toBeVisible();
    await userEvent.keyboard('{Enter}');
    const drawer = page.getByRole('complementary', { name: /^Alert what nodes run has no valid signature/ });
    await expect.element(drawer.getByText(/fra-pay-2/)).toBeVisible();
    await expectAccessible();
    await userEvent.keyboard('c');
    await expect.element(drawer.getByText('you', { exact: true })).toBeVisible();
    await expect.element(page.getByText('1 alert claimed')).toBeVisible();
    await userEvent.keyboard('a');
    await dialog().getByRole('textbox', { name: 'Note (may be empty)' }).fill('restored from the last bundle');
    await expectAccessible();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(dialog()).not.toBeInTheDocument();
    await expect.element(drawer.getByText('restored from the last bundle')).toBeVisible();
    expect(changes).toEqual(['actOnAlerts', 'actOnAlerts']);
    await expect.element(page.getByRole('link', { name: /Alerts\s*9 new/ })).toBeVisible();
  });

  it('shows who has an alert and how long, and does not let others settle it', async () => {
    const { changes } = await openWindow({ hash: 'alerts?grouped=no' });
    const held = grid().getByRole('row').filter({ hasText: 'another policy version' });
    await expect.element(held).toHaveTextContent(/sofiia-supervisor\s*9\d s/);
    await held.click();
    await expect.element(button(/^Ack….*sofiia-supervisor holds it/)).toHaveAttribute('aria-disabled', 'true');
    await userEvent.keyboard('a');
    expect(dialog().elements()).toEqual([]);
    expect(changes).toEqual([]);
    const stuck = grid().getByRole('row').filter({ hasText: 'has not confirmed' });
    await expect.element(stuck).toHaveTextContent(/lease over/);
    await stuck.click();
    await page.getByRole('link', { name: /The lease of loop-3 is over.*What to do/ }).click();
    await expect.element(page.getByRole('heading', { name: 'Alerts stay in processing' })).toBeInViewport();
  });

  it('says why: which window, which cooldown, which rule', async () => {
    await openWindow({ hash: 'alerts' });
    await grid().getByRole('row').filter({ hasText: silent }).click();
    await button('Why: reports').click();
    await expect.element(page.getByRole('note', { name: 'Why: reports' })).toHaveTextContent(/same fingerprint.*within the dedupe window of 30 min/);
    await expectAccessible();
    await userEvent.keyboard('{Escape}');
    await button('Why: route').click();
    await expect.element(page.getByRole('note', { name: 'Why: route' })).toHaveTextContent(/no rule of alert_routing_policy.yml matches/i);
  });

  it('keeps a storm in one line, opens it, and acts on all of it', async () => {
    const { changes } = await openWindow({ hash: 'alerts' });
    const storm = grid().getByRole('row').filter({ hasText: '9 alerts like' });
    const more = storm.getByRole('button', { name: '9 alerts of one signature' });
    await expect.element(more).toHaveAttribute('aria-expanded', 'false');
    await storm.click();
    await expect.element(more).toHaveAttribute('aria-expanded', 'true');
    await expect.element(grid().getByText('p95 latency of route 3 above its objective')).toBeVisible();
    await storm.getByRole('checkbox').click();
    await expect.element(page.getByText('9 marked')).toBeVisible();
    await page.getByRole('group', { name: 'Marked alerts' }).getByRole('button', { name: /^Ack/ }).click();
    await expectAccessible();
    await dialog().getByRole('button', { name: 'false positive' }).click();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(page.getByText('9 alerts acked')).toBeVisible();
    await expect.element(page.getByText(/^\d marked/)).not.toBeInTheDocument();
    expect(changes).toEqual(['actOnAlerts']);
  });

  it('tells of a bulk act what was refused and why', async () => {
    await openWindow({ hash: 'alerts?grouped=no' });
    await expect.element(grid()).toBeVisible();
    await userEvent.keyboard(' ');
    for (const text of [silent, 'another policy version']) await grid().getByRole('row').filter({ hasText: text }).getByRole('checkbox').click();
    await expect.element(page.getByText('3 marked')).toBeVisible();
    await userEvent.keyboard('a');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(page.getByText('2 alerts acked, 1 not')).toBeVisible();
    await expect.element(page.getByText(/is held by sofiia-supervisor/)).toBeVisible();
  });

  it('leads from what a role may not do to the help that says what to do', async () => {
    await openWindow({ hash: 'alerts?grouped=no', alerts: 'denied' });
    await expect.element(grid()).toBeVisible();
    await userEvent.keyboard('c');
    await expect.element(page.getByText(/tools.alerts.claim denied/)).toBeVisible();
    await button('What to do').click();
    await expect.element(page.getByRole('heading', { name: 'Claiming is denied' })).toBeVisible();
  });

  it('is filtered by state, lens and text', async () => {
    await openWindow({ hash: 'alerts' });
    await button(/^Failed/).click();
    await expect.element(grid().getByText('gateway timeout')).not.toBeInTheDocument();
    await button(/^Cooling down/).click();
    await expect.element(grid()).toHaveTextContent(/denials rose to 14 %/);
    await expect.element(page.getByRole('heading', { name: '1 alert' })).toBeVisible();
    await button(/^Cooling down/).click();
    await userEvent.keyboard('/');
    await userEvent.keyboard('sofiia');
    await expect.element(page.getByRole('heading', { name: '2 alerts' })).toBeVisible();
    await userEvent.keyboard('{Escape}');
    await button(/^Mine/).click();
    await expect.element(grid()).toHaveTextContent(silent);
    await expect.element(page.getByRole('heading', { name: '1 alert' })).toBeVisible();
  });

  it('of 15,000 alerts draws only what is seen, and repaints a changed one at once', async () => {
    await openWindow({ hash: 'alerts?grouped=no', alerts: 'many' });
    await expect.element(page.getByRole('heading', { name: '15,00' })).toBeVisible();
    expect(document.querySelectorAll('[role=grid] tr').length).toBeLessThan(60);
    await userEvent.keyboard('{Enter}');
    await expect.element(page.getByRole('complementary', { name: /^Alert/ })).toBeVisible();
    const row = (): Element | null => document.querySelector('[role=grid] tr.cursor');
    const began = performance.now();
    await userEvent.keyboard('c');
    while (!/you/.test(row()?.textContent ?? '') && performance.now() - began < 5_000) await new Promise((done) => requestAnimationFrame(done));
    // The fake sorts all of them in this thread for each answer, and a test's machine is busy: the figure of the whole
    // way is taken by the bench, of the built window.
    expect(performance.now() - began).toBeLessThan(2_000);
    await userEvent.keyboard('G');
    await expect.element(grid().getByRole('row').last()).toBeVisible();
    expect(document.querySelectorAll('[role=grid] tr').length).toBeLessThan(80);
  });

  it('shows what changed before the list is asked again', async () => {
    const fake = createFake({ fleet: 'demo' });
    let held = false;
    const alerts: typeof fake.alerts = (fleet, asked) => (held ? new Promise(() => undefined) : fake.alerts(fleet, asked));
    await openWindow({ api: { ...fake, alerts }, hash: 'alerts' });
    await expect.element(grid()).toBeVisible();
    const free = grid().getByRole('row').filter({ hasText: 'nobody' }).first();
    const id = free.element().id;
    await free.click();
    await userEvent.keyboard('{Escape}');
    held = true;
    await userEvent.keyboard('c');
    await expect.poll(() => document.getElementById(id)?.textContent).toMatch(/Processing/);
  });

  it('has no acts in a read-only fleet', async () => {
    await openWindow({ fleet: 'auditors-view', hash: 'alerts' });
    await expect.element(grid()).toBeVisible();
    await userEvent.keyboard('{Enter}');
    await expect.element(page.getByRole('complementary', { name: /^Alert/ })).toBeVisible();
    for (const name of [/^Claim/, /^Ack…/, /^Triage/, /^Retention/]) expect(button(name).elements()).toEqual([]);
  });
});

describe('without the hub', () => {
  it('claims are tentative, and what became of each is told', async () => {
    const { changes } = await openWindow({ hash: 'alerts?grouped=no', alerts: 'offline' });
    const claims = page.getByRole('region', { name: 'Claims made offline' });
    await expect.element(claims).toHaveTextContent(/tentative.*the hub is asked as soon as it answers/);
    await expect.element(claims).toHaveTextContent(/lost.*sofiia-supervisor had it before/);
    await grid().getByRole('row').filter({ hasText: 'denials rose' }).click();
    await expect.element(button(/^Ack….*The hub does not answer/)).toHaveAttribute('aria-disabled', 'true');
    await userEvent.keyboard('c');
    await expect.element(page.getByText(/1 alert claimed tentatively/)).toBeVisible();
    await expect.element(claims).toHaveTextContent(/denials rose/);
    expect(changes).toEqual(['actOnAlerts']);
  });
});

describe('an incident', () => {
  it('is opened from an alert and shows why, and what the fleet looked like', async () => {
    await openWindow({ hash: 'alerts' });
    await grid().getByRole('row').filter({ hasText: silent }).click();
    await userEvent.keyboard('i');
    await dialog().getByRole('combobox', { name: 'No worse than' }).selectOptions('P2');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await button('Show the incident').click();
    const article = page.getByRole('article', { name: /^Incident inc_/ });
    await expect.element(article.getByText(/^Opened by alrt_/)).toBeVisible();
    await expect.element(article.getByText(/because no incident with signature/)).toBeVisible();
  });

  it('takes notes, moves on, and is closed for good with its end', async () => {
    const { changes } = await openWindow({ hash: 'alerts?tab=incidents' });
    const timeline = page.getByRole('list', { name: 'Timeline, oldest first' });
    await expect.element(timeline).toHaveTextContent(/Gate slo_watch was bypassed/);
    await timeline.getByText('What was frozen').click();
    await expect.element(timeline.getByText(/"fra-gw-1"/)).toBeVisible();
    await userEvent.keyboard('n');
    await dialog().getByRole('textbox', { name: 'What happened' }).fill('rolled gateway back');
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(timeline).toHaveTextContent(/Rolled gateway back/);
    await button('Resolved').click();
    await expect.element(timeline).toHaveTextContent(/Mitigating became resolved/);
    await button('Close…').click();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(dialog().getByText('Write how it ended first.').first()).toBeVisible();
    await dialog().getByRole('textbox', { name: 'How it ended' }).fill('rolled back at 09:31');
    await expectAccessible();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(page.getByText('No incident is open').first()).toBeVisible();
    expect(changes).toEqual(['actOnIncident', 'actOnIncident', 'actOnIncident']);
  });

  it('gives the draft of a postmortem to a file', async () => {
    await openWindow({ hash: 'alerts?tab=incidents' });
    await button('Postmortem draft…').click();
    await expect.element(page.getByText(/^Draft saved as .*inc_.*\.md$/)).toBeVisible();
  });
});

describe('retention', () => {
  it('shows what would go, and removes it only by the typed phrase', async () => {
    const { changes } = await openWindow({ hash: 'alerts?status=all', alerts: 'settled' });
    await button('Retention…').click();
    await expect.element(dialog().getByText('Nothing would go.')).toBeVisible();
    await expect.element(dialog().getByRole('spinbutton')).toHaveValue(90);
    await expect.element(dialog().getByText(/retention_policy.yml keeps acked alerts for 90 days; what is older goes by itself once a day/)).toBeVisible();
    await dialog().getByRole('spinbutton').fill('0');
    await expect.element(dialog().getByText(/15 alerts would go/)).toBeVisible();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    expect(changes).toEqual([]);
    await dialog().getByRole('textbox', { name: /^Type alerts 15/ }).fill('alerts 15');
    await expectAccessible();
    await userEvent.keyboard('{Control>}{Enter}{/Control}');
    await expect.element(page.getByText('15 acked alerts removed')).toBeVisible();
    expect(changes).toEqual(['retainAlerts']);
  });

  it('proposes a month where no policy says how long', async () => {
    await openWindow({ hash: 'alerts', alerts: 'some' });
    await button('Retention…').click();
    await expect.element(dialog().getByRole('spinbutton')).toHaveValue(30);
    await expect.element(dialog().getByText(/kept for ever: no retention_policy.yml/)).toBeVisible();
  });

  it('of a hub is done at the hub', async () => {
    await openWindow({ hash: 'alerts', alerts: 'hub' });
    await button('Retention…').click();
    await expect.element(dialog().getByText(/plumb hub retention/)).toBeVisible();
  });
});
