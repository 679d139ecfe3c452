/** Short messages on what happened. */

import { Store } from '../store.ts';

export type Tone = 'good' | 'warn' | 'bad' | 'plain';

export interface Toast {
  readonly id: number;
  readonly tone: Tone;
  readonly text: string;
  /** A page that says more. */
  readonly link?: { readonly path: string; readonly text: string } | undefined;
}

const SHOWN_MS = 9000;
const TOASTS_MAX = 5;

export class Toasts {
  readonly shown = new Store<readonly Toast[]>([]);
  #next = 1;

  /** One that tells of a failure stays until somebody closes it. */
  show(tone: Tone, text: string, link?: Toast['link']): void {
    const id = this.#next++;
    this.shown.update((toasts) => [...toasts, { id, tone, text, link }].slice(-TOASTS_MAX));
    if (tone !== 'bad') setTimeout(() => this.close(id), SHOWN_MS);
  }

  close(id: number): void {
    this.shown.update((toasts) => toasts.filter((toast) => toast.id !== id));
  }
}
