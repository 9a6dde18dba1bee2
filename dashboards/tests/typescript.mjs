// Lets Node run our TypeScript as it stands: types are taken off by the compiler that is
// here anyway, JSON becomes a module. No bundle, no second tool.

import { register } from 'node:module';

register('./typescript_hooks.mjs', import.meta.url);
