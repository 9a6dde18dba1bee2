// The order of the round, and what of it is left.

import type { PatrolArea, Place } from './api/client.ts';

export interface Floor {
  key: string;
  building: Place;
  floor: string;
  /** Whether the round has just come into this building. */
  first: boolean;
  areas: PatrolArea[];
}

/**
 * Returns the areas in walking order, those of one floor together.
 *
 * A round that passes a floor twice shows it twice: the order is that of the feet.
 */
export function byFloor(areas: readonly PatrolArea[]): Floor[] {
  const walked = [...areas].sort((a, b) => a.walk_order - b.walk_order);
  const floors: Floor[] = [];
  for (const area of walked) {
    const last = floors[floors.length - 1];
    if (last !== undefined && last.building.id === area.building.id && last.floor === area.floor) {
      last.areas.push(area);
    } else {
      const key = `${area.building.id} ${area.floor} ${area.walk_order}`;
      const first = last?.building.id !== area.building.id;
      floors.push({ key, building: area.building, floor: area.floor, first, areas: [area] });
    }
  }
  return floors;
}

/** What an area asks of whoever walks: to go there, to look since no meter tells, or nothing. */
export type Errand = 'go' | 'look' | 'none';

/** Returns what is still to be done in an area. */
export function errandOf(area: PatrolArea): Errand {
  const open = area.findings.filter((finding) => finding.kind === 'lights_left_on' && finding.state === 'open');
  if (open.some((finding) => finding.mark === null)) return 'go';
  return open.length === 0 && area.state === 'unknown' ? 'look' : 'none';
}

/** How a round stands. */
export interface Round {
  go: number;
  look: number;
  none: number;
  /** What the headline says; `done` only when the gateway says so too. */
  stands: 'done' | 'go' | 'look' | 'waiting' | 'early';
}

/** Returns how the round stands; `done` is the gateway's own verdict. */
export function roundOf(areas: readonly PatrolArea[], done: boolean): Round {
  const errands = areas.map(errandOf);
  const count = (wanted: Errand): number => errands.filter((errand) => errand === wanted).length;
  const go = count('go');
  const look = count('look');
  const marked = areas.some((area) => area.findings.some((finding) => finding.state === 'open' && finding.mark !== null));
  const stands = go > 0 ? 'go' : look > 0 ? 'look' : done ? 'done' : marked ? 'waiting' : 'early';
  return { go, look, none: count('none'), stands };
}
