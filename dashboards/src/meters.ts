// The list of meters: by building, each part under the whole that it is part of.

import type { MeterRow, Place } from './api/client.ts';

export interface Row {
  meter: MeterRow;
  /** How many meters of this building stand above it. */
  depth: number;
}

export interface Building {
  building: Place;
  rows: Row[];
}

/** Returns the rows in the order of the site book, parts right behind their whole. */
export function byBuilding(meters: readonly MeterRow[]): Building[] {
  const groups = new Map<string, { building: Place; meters: MeterRow[] }>();
  for (const meter of meters) {
    const group = groups.get(meter.building.id) ?? { building: meter.building, meters: [] };
    group.meters.push(meter);
    groups.set(meter.building.id, group);
  }
  return [...groups.values()].map((group) => ({ building: group.building, rows: nested(group.meters) }));
}

function nested(meters: readonly MeterRow[]): Row[] {
  const here = new Set(meters.map((meter) => meter.id));
  const rows: Row[] = [];
  const add = (meter: MeterRow, depth: number): void => {
    // A loop in the site book must not hang the page; it is refused there anyway.
    if (rows.some((row) => row.meter.id === meter.id)) return;
    rows.push({ meter, depth });
    meters.filter((part) => part.parent === meter.id).forEach((part) => add(part, depth + 1));
  };
  meters.filter((meter) => meter.parent === null || !here.has(meter.parent)).forEach((meter) => add(meter, 0));
  meters.forEach((meter) => add(meter, 0));
  return rows;
}

/** Returns whether all the words occur in the meter's names, in either language. */
export function matches(meter: MeterRow, words: string): boolean {
  const names = [meter.id, meter.model, ...[meter.name, meter.area.name, meter.building.name].flatMap((name) => [name.zh, name.en])]
    .join(' ')
    .toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => names.includes(word));
}
