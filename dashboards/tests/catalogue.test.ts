import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import en from '../locales/en.json';
import zh from '../locales/zh-CN.json';

const chinese: Record<string, string> = zh;
const english: Record<string, string> = en;
const SOURCES = new URL('../src', import.meta.url).pathname;

function files(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? files(join(folder, entry.name)) : [join(folder, entry.name)],
  );
}
const sources = files(SOURCES)
  .filter((path) => /\.(ts|vue)$/.test(path) && !path.endsWith('schema.ts'))
  .map((path) => ({ path: path.slice(SOURCES.length + 1), text: readFileSync(path, 'utf8') }));
/** What is left of a source when its comments are gone. */
const bare = (text: string): string => text.replace(/\/\*[\s\S]*?\*\/|<!--[\s\S]*?-->|(^|\s)\/\/.*$/gm, '');
const holes = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

test('both languages say the same things', () => {
  assert.deepEqual(Object.keys(english).sort(), Object.keys(chinese).sort());
});

test('both languages leave the same holes', () => {
  for (const [key, text] of Object.entries(chinese)) assert.deepEqual(holes(english[key] ?? ''), holes(text), key);
});

test('no sentence is empty or shouts', () => {
  for (const text of [...Object.values(chinese), ...Object.values(english)]) {
    assert.notEqual(text.trim(), '');
    assert.doesNotMatch(text, /[!！]/);
  }
});

test('no sentence lies in the catalogue unsaid', () => {
  const said = sources.map(({ text }) => text).join('\n');
  // A key that is put together from a code (`page.level.${level}`) is said by its stem.
  const stems = [...said.matchAll(/`([a-z_.]+)\$\{/g)].map((match) => match[1] ?? '');
  const counted = [...said.matchAll(/counted\('([a-z_.]+)'/g)].map((match) => match[1] ?? '');
  const unsaid = Object.keys(chinese)
    .filter((key) => key.startsWith('page.'))
    .filter(
      (key) =>
        !said.includes(`'${key}'`) &&
        !stems.some((stem) => stem !== '' && key.startsWith(stem)) &&
        !counted.some((stem) => key === `${stem}.one` || key === `${stem}.other`),
    );

  assert.deepEqual(unsaid, []);
});

test('no page says a word that is not in the catalogue', () => {
  for (const { path, text } of sources) {
    // 中文 names the language in itself, whichever language is chosen.
    const words = bare(text).replace("'中文'", '').match(/[\u4e00-\u9fff]+/g);
    // quantity.ts writes units, time.ts looks at what Intl wrote.
    if (path === 'quantity.ts' || path === 'time.ts') continue;
    assert.equal(words, null, `${path}: ${words?.join(' ')}`);
  }
});

test('only quantity.ts writes units', () => {
  for (const { path, text } of sources) {
    if (path === 'quantity.ts') continue;
    assert.doesNotMatch(bare(text), /\bkWh?\b|m³|\bNumberFormat\b|toFixed|toLocaleString/, path);
  }
});

test('only client.ts fetches', () => {
  for (const { path, text } of sources) {
    if (path === 'api/client.ts') continue;
    assert.doesNotMatch(bare(text), /\bfetch\(|XMLHttpRequest|sendBeacon/, path);
  }
});

test('the style sheets keep to what Chrome 86 knows', () => {
  const styled = files(SOURCES).filter((path) => /\.(css|vue)$/.test(path));
  for (const path of styled) {
    assert.doesNotMatch(readFileSync(path, 'utf8'), /color-mix\(|oklch\(|:has\(|@container|@layer/, path);
  }
});
