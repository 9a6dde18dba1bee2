// Circuits that may be switched from afar, and how far the newest command to each has come.
//
// In: what the gateway says. Out: one list that all cards of a page share, and the words for
// the state of a command. Pure but for the list; what is asked before switching is
// `parts/SwitchCard.vue`.

import { effectScope } from 'vue';
import { api, type CommandRow, type SwitchRow, type Switches } from './api/client.ts';
import { type Key, type Params, whenText } from './language.ts';
import { type Resource, useResource } from './resource.ts';
import { session } from './session.ts';

/** Lives as long as the page is open: cards come and go, the list stays. */
const scope = effectScope(true);
let shared: Resource<Switches> | undefined;

/** Returns the switchable circuits; fetched once for all cards, and again when something stirs. */
export function useSwitches(): Resource<Switches> {
  // Whoever logs in may switch other circuits.
  shared ??= scope.run(() => useResource<Switches>(() => `switches ${session.status?.user?.name ?? ''}`, api.switches));
  return shared as Resource<Switches>;
}

/** Returns the switch that feeds a meter. */
export function switchOf(switches: Switches | null, meter: string): SwitchRow | null {
  return switches?.switches.find((one) => one.meters.some((fed) => fed.id === meter)) ?? null;
}

/** Whether nothing more is to come of a command. */
export function isOver(command: CommandRow): boolean {
  return command.state !== 'waiting' && command.state !== 'sent';
}

export type Tone = 'good' | 'attention' | 'bad';

/** Returns what is known of a command to a circuit, and no more: key, what fills it, and how it stands. */
export function commandWords(command: CommandRow, today: string): { key: Key; params: Params; tone: Tone } {
  const time = whenText(command.answered_at ?? command.until, today);
  const say = (key: Key, tone: Tone): { key: Key; params: Params; tone: Tone } => ({ key, params: { time }, tone });
  const on = command.on === true;
  switch (command.state) {
    case 'waiting':
      return say('page.switch.waiting', 'attention');
    case 'sent':
      return say('page.switch.sent', 'attention');
    case 'done':
      return say(on ? 'page.switch.done_on' : 'page.switch.done_off', 'good');
    case 'failed':
      if (command.read_back === null) return say('page.switch.failed_silent', 'bad');
      return say(command.read_back ? 'page.switch.failed_on' : 'page.switch.failed_off', 'bad');
    case 'refused':
      return say('page.switch.refused', 'bad');
    case 'expired':
      return say('page.switch.expired', 'bad');
    case 'repeated':
      return say('page.switch.repeated', 'bad');
    case 'unanswered':
      return say('page.switch.unanswered', 'bad');
    case 'undelivered':
      return say('page.switch.undelivered', 'bad');
  }
}
