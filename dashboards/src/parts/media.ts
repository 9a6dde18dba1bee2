import type { Medium } from '../api/client.ts';
import type { IconName } from './icons.ts';

export const MEDIUM_ICONS: Record<Medium, IconName> = { electricity: 'bolt', water: 'drop', gas: 'flame', heat: 'heat' };
