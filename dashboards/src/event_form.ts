// What both forms of meter events do: look ahead, save, take back.

import { reactive } from 'vue';
import { api, Problem, type EventPreview, type EventRequest, type MeterEvent } from './api/client.ts';
import { t } from './language.ts';

export interface EventForm {
  preview: EventPreview | null;
  saved: MeterEvent | null;
  busy: boolean;
  trouble: string;
  look: (event: EventRequest) => Promise<void>;
  save: (event: EventRequest) => Promise<void>;
  undo: () => Promise<void>;
}

/** Returns the state of a form about a meter's event. */
export function useEventForm(meter: () => string): EventForm {
  async function tried(act: () => Promise<void>): Promise<void> {
    form.busy = true;
    form.trouble = '';
    try {
      await act();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      form.trouble = error.status === 0 ? t('page.trouble.unreachable') : error.message || t('page.trouble.other', { code: error.code });
    } finally {
      form.busy = false;
    }
  }
  const form: EventForm = reactive({
    preview: null,
    saved: null,
    busy: false,
    trouble: '',
    look: async (event: EventRequest) => {
      form.preview = null;
      await tried(async () => {
        form.preview = await api.previewEvent(meter(), event);
      });
    },
    save: (event: EventRequest) =>
      tried(async () => {
        form.saved = await api.addEvent(meter(), event);
      }),
    undo: () =>
      tried(async () => {
        if (form.saved !== null) form.saved = await api.undoEvent(meter(), form.saved.id);
      }),
  });
  return form;
}
