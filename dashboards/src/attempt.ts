// What a button does: whether it is under way, and what kept it from being done.

import { reactive } from 'vue';
import { Problem } from './api/client.ts';
import { t } from './language.ts';

/** What went wrong, as a sentence for whoever pressed the button. */
export const saidOf = (problem: Problem): string =>
  problem.status === 0 ? t('page.trouble.unreachable') : problem.message || t('page.trouble.other', { code: problem.code });

export interface Attempt {
  busy: boolean;
  /** Empty when nothing went wrong. */
  trouble: string;
  /** Does it, and says what the gateway had against it. */
  make: (act: () => Promise<void>) => Promise<void>;
}

/** Returns the state of one button. */
export function useAttempt(): Attempt {
  const attempt: Attempt = reactive({
    busy: false,
    trouble: '',
    make: async (act: () => Promise<void>) => {
      attempt.busy = true;
      attempt.trouble = '';
      try {
        await act();
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        attempt.trouble = saidOf(error);
      } finally {
        attempt.busy = false;
      }
    },
  });
  return attempt;
}
