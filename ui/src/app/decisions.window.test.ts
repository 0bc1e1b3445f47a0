//! Which requests are answered differently: beside the text in Drift, and in the review of a plan.
import { describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import type { Api, DryRunView } from '$lib/api/api';
import { createFake } from '$lib/api/fake';
import { impactBetween } from '$lib/api/fake/impact';
import { expectAccessible, openWindow } from './window.kit';

const region = (name: string | RegExp) => page.getByRole('region', { name });
const apply = () => userEvent.keyboard('{Control>}{Enter}{/Control}');
const V41 = '77b0c1d2e3f4';
const group = (name: RegExp) => page.getByRole('button', { name });

describe('the tab Decisions of Drift', () => {
  it('shows what is let through that was not, with the smallest request and what was reached', async () => {
    await openWindow({ hash: 'drift?baseline=majority' });
    await group(new RegExp(V41)).first().click();
    await page.getByRole('tab', { name: 'Decisions' }).click();
    const wider = region('Lets more through');
    await expect.element(wider.getByText('by card.token.reveal').first()).toBeVisible();
    await expect.element(wider.getByRole('listitem').first()).toHaveTextContent(/deny.*allow.*3 requests.*asked 412 times.*"role": "clerk"/s);
    await expect.element(page.getByText('10 of 184 requests are answered differently.')).toBeVisible();
    await expect.element(region('What the requests reached').getByText(/23 of 24 rules reached/)).toBeVisible();
    await expect.element(region('What the requests reached').getByText('never reached: audit.log.read')).toBeVisible();
    await expectAccessible();
    expect([document.documentElement.scrollWidth, document.documentElement.scrollHeight]).toEqual([1280, 800]);
    await userEvent.keyboard('t');
    await expect.element(page.getByRole('tab', { name: 'Text' })).toHaveAttribute('aria-selected', 'true');
  });

  it('tells first flips while the rest is asked, and ends what nobody looks at', async () => {
    const fake = createFake({ fleet: 'demo' });
    const stopped: string[] = [];
    let finish: () => void = () => undefined;
    const impact: Api['impact'] = async (_fleet, { from, to, reading }, soFar) => {
      const [first, whole] = impactBetween(from, to, reading);
      soFar(first);
      await new Promise<void>((resolve) => (finish = resolve));
      return whole;
    };
    await openWindow({ api: { ...fake, impact, stopImpact: ({ from }) => { stopped.push(from.slice(0, 12)); return Promise.resolve(); } }, hash: 'drift?baseline=majority&tab=decisions', theme: 'light' });
    await group(new RegExp(V41)).first().click();
    await expect.element(page.getByText('96 of 184 requests asked so far: 3 answers change.')).toBeVisible();
    await expect.element(region('Lets more through').getByRole('listitem')).toHaveTextContent(/3 requests/);
    await expectAccessible();
    expect(stopped).toEqual([]);
    finish();
    await expect.element(page.getByText('10 of 184 requests are answered differently.')).toBeVisible();
    await group(/c2e8f0a1b2c3/).first().click();
    await expect.element(page.getByText(/asked so far/)).toBeVisible();
    await userEvent.keyboard('1');
    await expect.element(page.getByRole('grid', { name: 'Nodes' })).toBeVisible();
    expect(stopped).toEqual(['9f3a1c07b2de']);
  });

  it('of a group of both kinds asks for each reading by itself', async () => {
    const fake = createFake({ fleet: 'demo' });
    const read: (string | null)[] = [];
    const impact: Api['impact'] = (fleet, compared, soFar) => {
      read.push(compared.reading);
      return fake.impact(fleet, compared, soFar);
    };
    await openWindow({ api: { ...fake, impact }, hash: 'drift?baseline=majority&tab=decisions&node=osl-gw-1' });
    const readers = page.getByRole('group', { name: 'Who reads the rules' });
    await expect.element(readers.getByRole('radio', { name: 'as agents read it' })).toBeChecked();
    await expect.element(page.getByText(/requests are answered differently/)).toBeVisible();
    await readers.getByText('as reload nodes read it').click();
    await expect.element(readers.getByRole('radio', { name: 'as reload nodes read it' })).toBeChecked();
    await expect.poll(() => read).toEqual(['documented', 'field']);
    await expectAccessible();
  });

  it('tells apart what could not be evaluated here, and never calls it allowed or denied', async () => {
    await openWindow({ hash: 'drift?baseline=majority&tab=decisions', theme: 'contrast' });
    await group(/c2e8f0a1b2c3/).first().click();
    const missed = region('Not evaluated here');
    await expect.element(missed.getByText(/http\.send/)).toBeVisible();
    await expect.element(page.getByText('No answer changes as far as can be told here; 6 of 184 requests could not be evaluated.')).toBeVisible();
    await missed.getByText('For example').click();
    await expect.element(missed.getByText(/fraud\.case\.reopen/)).toBeVisible();
    await expectAccessible();
  });

  it('says why where no bundle holds what nodes run', async () => {
    await openWindow({ hash: 'drift?baseline=majority&tab=decisions' });
    await group(/41d0aa93e6f7/).first().click();
    await expect.element(page.getByText('No bundle with the content 41d0aa93e6f7 is at hand.', { exact: false })).toBeVisible();
    await expectAccessible();
  });
});

describe('the review of a plan', () => {
  it('shows which answers change, for each exchange of contents', async () => {
    await openWindow({ fleet: 'payments-eu', hash: 'rollouts?step=new', consent: 'open' });
    await apply();
    const card = region('What is answered differently');
    await expect.element(card.getByText('10 of 184 requests are answered differently.')).toBeVisible();
    await expect.element(card.getByText(/^No dry run was made of this plan yet/)).toBeVisible();
    await expect.element(card.getByRole('region', { name: 'Lets less through' }).getByText('by card.token.reveal').first()).toBeVisible();
    await expectAccessible();
    await card.getByRole('button', { name: /^Change of content/ }).click();
    await page.getByRole('menuitemradio', { name: /v43-rc1/ }).first().click();
    await expect.element(card.getByText(/6 of 184 requests could not be evaluated/)).toBeVisible();
    await expectAccessible();
    expect([document.documentElement.scrollWidth, document.documentElement.scrollHeight]).toEqual([1280, 800]);
  });

  it('says whether the report is the one that approvals bind, and shows that one where it is not', async () => {
    const fake = createFake({ fleet: 'payments-eu', consent: 'open' });
    let bound: string | null = null;
    const told = (found: DryRunView): DryRunView => (bound === null ? found : { ...found, decisions: found.decisions.map((change) => ({ ...change, report: bound })) });
    const dryRun: Api['dryRun'] = async (plan) => told(await fake.dryRun(plan));
    const newestDryRun: Api['newestDryRun'] = (plan) => fake.newestDryRun(plan).then((found) => (found === null ? null : told(found)));
    await openWindow({ api: { ...fake, dryRun, newestDryRun }, fleet: 'payments-eu', hash: 'rollouts?step=new', consent: 'open' });
    await apply();
    const card = region('What is answered differently');
    const again = page.getByRole('region', { name: 'Dry run' }).getByRole('button', { name: /^(Dry run|Ask again)/ });
    await again.click();
    await expect.element(card.getByText(/found exactly this report, and approvals bind it/)).toBeVisible();
    await expectAccessible();
    bound = 'ab'.repeat(32);
    await again.click();
    await expect.element(card.getByText('Approvals bind another report than the one below.')).toBeVisible();
    await expect.element(card.getByRole('list', { name: 'Answers that change by the report that approvals bind' }).getByText(/by card\.token\.reveal/).first()).toBeVisible();
    await expectAccessible();
  });
});
