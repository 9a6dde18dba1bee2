// Pages that are fetched when they are first opened: the evening round must not wait for them.

import { defineAsyncComponent, h, type Component } from 'vue';
import { Problem } from './api/client.ts';
import { t } from './language.ts';
import Trouble from './parts/Trouble.vue';

const Waiting = (): ReturnType<typeof h> =>
  h('div', { class: 'waiting', role: 'status', 'aria-label': t('page.loading') });

/** The network was away when the page was wanted, or a newer program has other files. */
const Failed = (): ReturnType<typeof h> =>
  h(Trouble, { problem: new Problem(0, 'unreachable', ''), onAgain: () => location.reload() });

/** Returns a page that is fetched once somebody opens it. */
export function later(page: () => Promise<{ default: Component }>): Component {
  return defineAsyncComponent({ loader: page, loadingComponent: Waiting, errorComponent: Failed, delay: 100 });
}
