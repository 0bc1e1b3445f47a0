//! Which cached answers a topic makes stale.
import type { Topic } from './api';

export interface Subscription {
  topic: Topic['topic'];
  fleet?: string;
  node?: string;
  id?: string;
}

/** Whether an answer that depends on `subscriptions` is stale once `topic` is announced. */
export function concerns(subscriptions: readonly Subscription[], topic: Topic): boolean {
  return subscriptions.some((wanted) => {
    // A changed fleet may have changed any of its nodes.
    if (wanted.topic === 'node' && topic.topic === 'fleet') return wanted.fleet === topic.fleet;
    // Few changed nodes are announced one by one, and each of them changes its fleet.
    if (wanted.topic === 'fleet' && topic.topic === 'node') return wanted.fleet === undefined || wanted.fleet === topic.fleet;
    if (wanted.topic !== topic.topic) return false;
    const given: Record<string, string | undefined> = { ...topic };
    return (['fleet', 'node', 'id'] as const).every((key) => wanted[key] === undefined || wanted[key] === given[key]);
  });
}
