// One circuit of the mock campus that may be switched, and the commands to it.

import type { components } from '../../src/api/schema.ts';
import { AREAS, NOW, rfc, type Campus } from './campus.ts';

type Schemas = components['schemas'];

const ID = 'light-2f-east';
const NODE = 'node-office';

/** Returns the switches as whoever is logged in sees them. */
export function switches(campus: Campus): Schemas['Switches'] {
  const fed = campus.meter(ID);
  if (fed === null) return { switches: [] };
  const role = campus.user?.role;
  return {
    switches: [
      {
        id: ID,
        name: fed.name,
        node: NODE,
        meters: [{ id: ID, name: fed.name }],
        areas: [AREAS.east.place, AREAS.hall.place],
        may: role === 'engineer' || role === 'caretaker',
        last: campus.commands.find((one) => one.circuit === ID) ?? null,
      },
    ],
  };
}

/** Takes a command; the newest stands first. */
export function command(campus: Campus, node: string, body: string): Schemas['CommandRow'] {
  const { task } = JSON.parse(body) as { task: { kind: Schemas['CommandKind']; circuit?: string; on?: boolean } };
  const row: Schemas['CommandRow'] = {
    id: 1_795_445_100 + campus.commands.length,
    node,
    kind: task.kind,
    circuit: task.circuit ?? null,
    on: task.on ?? null,
    read_back: null,
    state: 'sent',
    by: campus.user?.name ?? '',
    asked_at: rfc(NOW),
    until: rfc(NOW + 60_000),
    sent_at: rfc(NOW),
    answered_at: null,
  };
  campus.commands.unshift(row);
  return row;
}

/** Answers the newest command as a node would. */
export function answered(campus: Campus, state: Schemas['CommandState'], readBack: boolean | null): void {
  const row = campus.commands[0];
  if (row !== undefined) Object.assign(row, { state, read_back: readBack, answered_at: rfc(NOW + 2_000) });
}
