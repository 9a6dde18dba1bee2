// `npm run mock`: the built pages with made-up data, to look at by hand.

import { Gateway } from './gateway.ts';

const gateway = new Gateway(new URL('../../dist', import.meta.url).pathname);
console.log(await gateway.listen(Number(process.env['PORT'] ?? 8086)));
