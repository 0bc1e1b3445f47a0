import { describe, expect, it } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import { expectAccessible, openWindow } from './window.kit';

const picture = () => page.getByRole('slider', { name: /^Moment in what/ });
const facts = () => page.getByRole('region', { name: 'At a moment' });

describe('the History screen', () => {
  it('shows lanes of nodes that ran the same, reloads and digest age', async () => {
    await openWindow({ hash: 'history' });
    await expect.element(picture()).toBeVisible();
    await expect.element(facts().getByText('wanted')).toBeVisible();
    await expect.element(page.getByRole('img', { name: /reloads succeeded/ })).toBeVisible();
    await expect.element(page.getByRole('img', { name: /^The highest digest age was/ })).toBeVisible();
    await expectAccessible();
  });

  it.each([['light'], ['contrast']])('is accessible in %s, as a raster too', async (theme) => {
    await openWindow({ hash: 'history?form=raster&hours=720', theme, fleet: 'payments-eu' });
    await expect.element(picture()).toBeVisible();
    await expectAccessible();
  });

  it('is scrubbed by keys from change to change, and compares two moments', async () => {
    await openWindow({ hash: 'history' });
    await expect.element(picture()).toBeVisible();
    (picture().element() as HTMLElement).focus();
    await userEvent.keyboard('{Home}{Enter}');
    await expect.element(facts().getByText('Click a second moment to see what changed between them.')).toBeVisible();
    await userEvent.keyboard('{End}{Enter}');
    const changed = facts().getByRole('list', { name: 'What changed between the two moments' });
    await expect.element(changed.getByRole('button').first()).toBeVisible();
    await expectAccessible();
    await facts().getByRole('button', { name: 'Clear' }).click();
    await expect.element(changed).not.toBeInTheDocument();
    await userEvent.keyboard('{Escape}');
  });

  it('leads from a node that changed to the node', async () => {
    await openWindow({ hash: 'history' });
    await expect.element(picture()).toBeVisible();
    (picture().element() as HTMLElement).focus();
    await userEvent.keyboard('{Home}{Enter}{End}{Enter}');
    const node = facts().getByRole('list', { name: 'What changed between the two moments' }).getByRole('button').first();
    const name = node.element().textContent ?? '';
    await node.click();
    await expect.element(page.getByRole('complementary', { name: `Node ${name}` })).toBeVisible();
  });

  it('paints a raster of ten thousand nodes once, and scrubs it without painting it again', async () => {
    await openWindow({ hash: 'history?form=raster&hours=720', fleet: 'edge-world' });
    await expect.element(picture()).toBeVisible();
    const canvas = picture().element() as HTMLCanvasElement;
    await expect.poll(() => canvas.dataset['newestMs']).toBeDefined();
    canvas.focus();
    await userEvent.keyboard('{ArrowLeft}{ArrowLeft}{ArrowLeft}');
    await expect.poll(() => Number(canvas.dataset['newestMs'])).toBeLessThan(16);
  });

  it('says when nothing was seen, and why it could not be read', async () => {
    await openWindow({ hash: 'history', fleet: 'fresh' });
    await expect.element(page.getByText('Nothing was seen in this time')).toBeVisible();
    await expectAccessible();
  });

  it('tells why the history could not be read', async () => {
    await openWindow({ hash: 'history', fleet: 'unreadable-store' });
    await expect.element(page.getByText(/^The cache could not be read: database disk image is malformed/)).toBeVisible();
  });
});
