/** Ways by which messages go out, in the middle of a sentence. */

import type { ChannelName } from '../api-types.ts';

export const CHANNEL_WORDS: { readonly [channel in ChannelName]: string } = {
  webhook: 'webhook',
  ntfy: 'ntfy',
  email: 'e-mail',
};
