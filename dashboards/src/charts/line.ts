// Lines and bands as SVG paths, broken where there is a gap.

export interface Scale {
  x: (at: number) => number;
  y: (value: number) => number;
}

const written = (value: number): string => String(Math.round(value * 10) / 10);

/** Returns a path through the values; a null ends one stroke and the next value begins another. */
export function linePath(values: readonly (number | null)[], scale: Scale): string {
  let pen = 'M';
  let path = '';
  values.forEach((value, at) => {
    if (value === null) {
      pen = 'M';
      return;
    }
    path += `${pen}${written(scale.x(at + 0.5))} ${written(scale.y(value))}`;
    pen = 'L';
  });
  return path;
}

/** Returns the area between two lines, left out wherever one of them has a gap. */
export function bandPath(low: readonly (number | null)[], high: readonly (number | null)[], scale: Scale): string {
  let path = '';
  let stretch: number[] = [];
  const close = (): void => {
    if (stretch.length > 1) {
      const there = stretch.map((at) => `${written(scale.x(at + 0.5))} ${written(scale.y(high[at] ?? 0))}`);
      const back = [...stretch].reverse().map((at) => `${written(scale.x(at + 0.5))} ${written(scale.y(low[at] ?? 0))}`);
      path += `M${[...there, ...back].join('L')}Z`;
    }
    stretch = [];
  };
  high.forEach((value, at) => {
    const lower = low[at] ?? null;
    if (value === null || lower === null) close();
    else stretch.push(at);
  });
  close();
  return path;
}

/** Steps that people count in. */
const STEPS = [1, 2, 2.5, 5, 10];

/** Returns round axis marks from 0 to at least `max`, about `count` of them. */
export function axisMarks(max: number, count: number): number[] {
  if (!(max > 0)) return [0, 1];
  const raw = max / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = (STEPS.find((nice) => raw <= nice * power * 1.000001) ?? 10) * power;
  const marks = Math.ceil(max / step - 1e-9);
  return Array.from({ length: marks + 1 }, (_, at) => Number((at * step).toPrecision(6)));
}
