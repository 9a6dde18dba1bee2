// One thing that a page shows: fetched, kept fresh, and kept on screen while it is old.

import { onScopeDispose, reactive, watch, type WatchSource } from 'vue';
import { Problem } from './api/client.ts';
import { stirred } from './live.ts';

export interface Resource<T> {
  /** The last good answer; stays while a newer one is under way or fails. */
  data: T | null;
  problem: Problem | null;
  loading: boolean;
  reload: () => Promise<void>;
}

/** The last answers by name: going back shows at once what was there before. */
const kept = new Map<string, unknown>();

/**
 * Returns what `read` gives, fetched anew whenever `name` changes or something stirs.
 *
 * `name` is where it comes from (path and query): answers to an older name are dropped.
 * With `fresh: false` only a change of name fetches (a finished year does not stir).
 */
export function useResource<T>(
  name: () => string,
  read: () => Promise<T>,
  options: { fresh?: boolean } = {},
): Resource<T> {
  let asked = 0;
  const resource: Resource<T> = reactive({
    data: null,
    problem: null,
    loading: false,
    reload,
  }) as Resource<T>;

  async function reload(): Promise<void> {
    asked += 1;
    const mine = asked;
    const from = name();
    resource.loading = true;
    try {
      const answer = await read();
      if (mine !== asked) return;
      kept.set(from, answer);
      resource.data = answer;
      resource.problem = null;
    } catch (error) {
      if (mine !== asked) return;
      resource.problem = error instanceof Problem ? error : new Problem(0, 'unreadable', '');
    } finally {
      if (mine === asked) resource.loading = false;
    }
  }

  watch(
    name,
    (from) => {
      resource.data = (kept.get(from) as T | undefined) ?? null;
      resource.problem = null;
      void reload();
    },
    { immediate: true },
  );
  if (options.fresh !== false) watch(stirred as WatchSource<number>, () => void reload());
  onScopeDispose(() => {
    asked += 1;
  });
  return resource;
}

/** Forgets all answers: another reader may see other things. */
export function forget(): void {
  kept.clear();
}
