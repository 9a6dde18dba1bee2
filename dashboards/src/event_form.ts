// What both forms of meter events do: look ahead, save, take back.

import { reactive } from 'vue';
import { api, type EventPreview, type EventRequest, type MeterEvent } from './api/client.ts';
import { useAttempt, type Attempt } from './attempt.ts';

export interface EventForm {
  preview: EventPreview | null;
  saved: MeterEvent | null;
  attempt: Attempt;
  look: (event: EventRequest) => Promise<void>;
  save: (event: EventRequest) => Promise<void>;
  undo: () => Promise<void>;
}

/** Returns the state of a form about a meter's event. */
export function useEventForm(meter: () => string): EventForm {
  const attempt = useAttempt();
  const form: EventForm = reactive({
    preview: null,
    saved: null,
    attempt,
    look: async (event: EventRequest) => {
      form.preview = null;
      await attempt.make(async () => {
        form.preview = await api.previewEvent(meter(), event);
      });
    },
    save: (event: EventRequest) =>
      attempt.make(async () => {
        form.saved = await api.addEvent(meter(), event);
      }),
    undo: () =>
      attempt.make(async () => {
        if (form.saved !== null) form.saved = await api.undoEvent(meter(), form.saved.id);
      }),
  });
  return form;
}
