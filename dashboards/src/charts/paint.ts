// The colours of a chart, taken from the style sheet, so that both themes have one source.

export interface Paint {
  text: string;
  muted: string;
  card: string;
  line: string;
  open: string;
  closed: string;
  typical: string;
  band: string;
  hours: string;
  flagged: string;
  grid: string;
  heat: string[];
  /** Gaps. */
  gap: Pattern;
  /** Estimated amounts, while the area is open and while it is closed. */
  openStriped: Pattern;
  closedStriped: Pattern;
  font: string;
  /** One rem in pixels, so that a reader's large text is large in charts too. */
  rem: number;
}

/** A repeated picture in the form that ECharts paints with, or a plain colour. */
export type Pattern = { image: HTMLCanvasElement; repeat: 'repeat' } | string;

function hatched(colour: string, size: number, width: number): Pattern {
  const canvas = document.createElement('canvas');
  canvas.width = size;
  canvas.height = size;
  const pen = canvas.getContext('2d');
  if (pen === null) return colour;
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.beginPath();
  // Three strokes, so that the tiles join without a seam.
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift, size);
    pen.lineTo(shift + size, 0);
  }
  pen.stroke();
  return { image: canvas, repeat: 'repeat' };
}

/** Reads the colours as they are now; to be read again when the theme changes. */
export function readPaint(): Paint {
  const styles = getComputedStyle(document.documentElement);
  const value = (name: string): string => styles.getPropertyValue(`--${name}`).trim();
  return {
    text: value('text'),
    muted: value('muted'),
    card: value('card'),
    line: value('line'),
    open: value('chart-open'),
    closed: value('chart-closed'),
    typical: value('chart-typical'),
    band: value('chart-band'),
    hours: value('chart-hours'),
    flagged: value('chart-flagged'),
    grid: value('chart-grid'),
    heat: [0, 1, 2, 3, 4, 5].map((step) => value(`heat-${step}`)),
    gap: hatched(value('chart-gap'), 7, 1.25),
    openStriped: hatched(value('chart-open'), 4, 1.5),
    closedStriped: hatched(value('chart-closed'), 4, 1.5),
    font: value('font'),
    rem: parseFloat(styles.fontSize),
  };
}
