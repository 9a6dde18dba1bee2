// The pages of Gengfu, put together.

import { createApp } from 'vue';
import './style/tokens.css';
import './style/base.css';
import './style/shell.css';
import './style/parts.css';
import App from './App.vue';
import { startLive } from './live.ts';
import { startOutbox } from './outbox.ts';
import { startRouting } from './route.ts';
import { readStatus } from './session.ts';
import { applySettings } from './settings.ts';

applySettings();
startRouting();
createApp(App).mount('#app');
void readStatus();
startLive();
startOutbox();
