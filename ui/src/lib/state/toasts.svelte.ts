import type { AppError } from '$lib/api/api';
import { appError } from '$lib/api/api';

export interface Toast {
  id: number;
  text: string;
  hint?: string | undefined;
  bad: boolean;
  action?: { title: string; key?: string; run: () => void } | undefined;
}

const SHOWN_MS = 6_000;
const SHOWN_WITH_ACTION_MS = 20_000;
const TOASTS_MAX = 4;

/** Short messages at the corner; one that offers something stays longer. */
export class Toasts {
  #next = 1;
  list = $state.raw<readonly Toast[]>([]);

  say(text: string, rest: Partial<Omit<Toast, 'id' | 'text'>> = {}): number {
    const toast: Toast = { id: this.#next, text, bad: false, ...rest };
    this.#next += 1;
    this.list = [...this.list, toast].slice(-TOASTS_MAX);
    setTimeout(() => this.dismiss(toast.id), toast.action || toast.bad ? SHOWN_WITH_ACTION_MS : SHOWN_MS);
    return toast.id;
  }

  fail(thrown: unknown): AppError {
    const error = appError(thrown);
    this.say(error.message, { hint: error.hint, bad: true });
    return error;
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}
