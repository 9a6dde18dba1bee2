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

/**
 * What an area asks of whoever walks: to go there, to look since no meter tells, to wait
 * since it is open or has just closed, or nothing.
 */
export type Errand = 'go' | 'look' | 'wait' | 'none';

/** Returns what is still to be done in an area. */
export function errandOf(area: PatrolArea): Errand {
  const open = area.findings.filter((finding) => finding.kind === 'lights_left_on' && finding.state === 'open');
  if (open.some((finding) => finding.mark === null)) return 'go';
  const untold = area.state === 'unknown' || area.state === 'learning';
  if (open.length === 0 && untold) return 'look';
  return area.state === 'open_hours' || area.state === 'just_closed' ? 'wait' : 'none';
}

/** How a round stands. */
export interface Round {
  go: number;
  look: number;
  none: number;
  /** What the headline says; `done` only when the gateway says so too. */
  stands: 'done' | 'go' | 'look' | 'waiting' | 'settling' | 'early';
  /** When the last place that has just closed can be judged. */
  judged_from_at: string | null;
}

/** Returns how the round stands; `done` is the gateway's own verdict. */
export function roundOf(areas: readonly PatrolArea[], done: boolean): Round {
  const errands = areas.map(errandOf);
  const count = (wanted: Errand): number => errands.filter((errand) => errand === wanted).length;
  const go = count('go');
  const look = count('look');
  // 已关 is a word until the meter agrees; only then is it all off.
  const waiting = areas.some((area) =>
    area.findings.some((finding) => finding.state === 'open' && finding.mark?.kind === 'switched_off'),
  );
  const judged = areas.flatMap((area) => (area.judged_from_at === null ? [] : [area.judged_from_at]));
  const judged_from_at = judged.sort((a, b) => Date.parse(a) - Date.parse(b))[judged.length - 1] ?? null;
  const settling = judged_from_at !== null && !areas.some((area) => area.state === 'open_hours');
  const stands =
    go > 0 ? 'go' : look > 0 ? 'look' : waiting ? 'waiting' : done ? 'done' : settling ? 'settling' : 'early';
  return { go, look, none: count('none'), stands, judged_from_at };
}
