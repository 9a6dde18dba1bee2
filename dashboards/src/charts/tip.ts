// Where a chart's tip stands: above the finger, inside the chart.

const AWAY = 14;

type Pair = [number, number];

/** Returns the tip's left and top edge, given the pointer, the tip's size and the chart's. */
export function tipAt(
  point: Pair,
  _params: unknown,
  _element: unknown,
  _around: unknown,
  size: { contentSize: Pair; viewSize: Pair },
): Pair {
  const [width, height] = size.contentSize;
  const left = Math.min(Math.max(0, point[0] - width / 2), Math.max(0, size.viewSize[0] - width));
  const above = point[1] - height - AWAY;
  return [left, 0 <= above ? above : Math.min(point[1] + AWAY, Math.max(0, size.viewSize[1] - height))];
}
