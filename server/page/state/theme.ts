/** Light, dark, or as the system has it. */

import { Store } from '../store.ts';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const KEY = 'snap.theme';

export class ThemeChoice {
  readonly theme: Store<Theme>;

  constructor() {
    const kept = localStorage.getItem(KEY);
    this.theme = new Store<Theme>(THEMES.find((theme) => theme === kept) ?? 'system');
    this.#apply();
  }

  choose(theme: Theme): void {
    localStorage.setItem(KEY, theme);
    this.theme.set(theme);
    this.#apply();
  }

  #apply(): void {
    document.documentElement.dataset['theme'] = this.theme.value;
  }
}
