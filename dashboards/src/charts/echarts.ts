// The chart library: only the parts we draw with, in one chunk that loads after the page.

import { BarChart, CustomChart, LineChart } from 'echarts/charts';
import {
  GridComponent,
  MarkAreaComponent,
  TooltipComponent,
  VisualMapComponent,
} from 'echarts/components';
import { init, use, type EChartsType } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';

use([
  BarChart,
  CanvasRenderer,
  GridComponent,
  CustomChart,
  LineChart,
  MarkAreaComponent,
  TooltipComponent,
  VisualMapComponent,
]);

export { init };
export type { EChartsType };
