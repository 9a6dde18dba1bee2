// The order of the round, and what of it is left.

import type { PatrolArea, Place } from './api/client.ts';

export interface Floor {
  key: string;
  building: Place;
  floor: string;
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
      floors.push({ key, building: area.building, floor: area.floor, areas: [area] });
    }
  }
  return floors;
}

/** Returns in how many areas somebody still has to go and look. */
export function toDo(areas: readonly PatrolArea[]): number {
  return areas.filter((area) =>
    area.findings.some(
      (finding) => finding.kind === 'lights_left_on' && finding.state === 'open' && finding.mark === null,
    ),
  ).length;
}
