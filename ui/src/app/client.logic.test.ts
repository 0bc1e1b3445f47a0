import { QueryObserver } from '@tanstack/svelte-query';
import { describe, expect, it } from 'vitest';
import { createClient, drop } from './client';

describe('drop', () => {
  it('asks again for an answer that was under way when the topic came', async () => {
    const client = createClient();
    const answers: ((value: string) => void)[] = [];
    const observer = new QueryObserver<string>(client, {
      queryKey: ['run', '1'],
      queryFn: () => new Promise<string>((answer) => answers.push(answer)),
      meta: { topics: [{ topic: 'run', id: '1' }] },
    });
    const shown: (string | undefined)[] = [];
    const stop = observer.subscribe((result) => shown.push(result.data));
    drop(client, [{ topic: 'run', id: '1' }]);
    answers[0]?.('old');
    await expect.poll(() => answers.length).toBe(2);
    answers[1]?.('new');
    await expect.poll(() => shown.at(-1)).toBe('new');
    stop();
  });
});
