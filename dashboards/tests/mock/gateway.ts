// The built pages and the campus behind one HTTP server, with the gateway's headers.

import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { Campus, NOW, rfc } from './campus.ts';
import { daysOf, found, listed } from './found.ts';
import { command, switches } from './switches.ts';
import { detectors, forecast, saved, tried } from './watched.ts';
import { balance, counts, eventOf, finding, month, preview, tileRows, why } from './truth.ts';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.webmanifest': 'application/manifest+json',
};
/** As the gateway sends it: what the pages may not do here they may not do there. */
const POLICY =
  "default-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

export class Gateway {
  readonly campus = new Campus();
  /** While true every request of the API is dropped, as on a bad Wi-Fi. */
  away = false;
  /** Marks that arrived, for tests. */
  readonly arrived: { method: string; path: string; body: string; guard: string | undefined }[] = [];
  private readonly streams = new Set<ServerResponse>();
  private readonly server: Server;

  constructor(private readonly pages: string) {
    this.server = createServer((request, response) => {
      this.answer(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
  }

  async listen(port = 0): Promise<string> {
    await new Promise<void>((done) => this.server.listen(port, '127.0.0.1', done));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.hangUp();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  /** Ends the live streams. */
  hangUp(): void {
    for (const stream of this.streams) stream.destroy();
    this.streams.clear();
  }

  /** Says something to whoever listens. */
  tell(event: string, data: unknown): void {
    for (const stream of this.streams) stream.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://gateway');
    if (url.pathname.startsWith('/api/')) {
      if (this.away) {
        request.socket.destroy();
        return;
      }
      await this.api(request, response, url);
      return;
    }
    response.setHeader('Content-Security-Policy', POLICY);
    const asked = normalize(url.pathname).replace(/^(\.\.[/\\])+/, '');
    const path = extname(asked) === '' ? '/index.html' : asked;
    try {
      const bytes = await readFile(join(this.pages, path));
      response.writeHead(200, { 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream' }).end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }

  private async api(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const send = (status: number, body?: unknown): void => {
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    };
    const refuse = (status: number, code: string, message: string): void => send(status, { status, code, message, mistakes: [] });
    const answer = (body: unknown): void => (body === null ? refuse(404, 'not_found', '没有找到') : send(200, body));
    const { campus } = this;
    const path = url.pathname.replace('/api/v1', '');
    const method = request.method ?? 'GET';

    if (method !== 'GET') {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks).toString();
      const guard = request.headers['x-gengfu'];
      this.arrived.push({ method, path, body, guard: Array.isArray(guard) ? guard[0] : guard });
      if (guard !== '1') return refuse(403, 'forged', 'X-Gengfu');
      const mark = /^\/findings\/(\d+)\/mark$/.exec(path);
      if (mark !== null) {
        const id = Number(mark[1]);
        if (method === 'DELETE') campus.marks.delete(id);
        else {
          const said = JSON.parse(body) as { kind: 'switched_off'; until?: string; note?: string };
          campus.marks.set(id, { kind: said.kind, by: campus.user?.name ?? '', at: rfc(NOW), until: said.until ?? null, note: said.note ?? null });
        }
        return answer(found(campus).find((finding) => finding.id === id) ?? null);
      }
      const event = /^\/meters\/([^/]+)\/events(?:\/(preview|\d+))?$/.exec(path);
      if (event !== null) {
        const user = campus.user;
        const forbidden = (): void => refuse(403, 'forbidden', '您的角色不能进行此操作。');
        if (user === null || !['caretaker', 'engineer'].includes(user.role)) return forbidden();
        const id = decodeURIComponent(event[1] ?? '');
        if (method === 'DELETE') {
          const held = campus.events.find((one) => one.meter === id && one.row.id === Number(event[2]));
          if (held === undefined) return refuse(404, 'not_found', '没有找到');
          if (user.role !== 'engineer' && held.row.by !== user.name) return forbidden();
          Object.assign(held.row, { undone_by: user.name, undone_at: rfc(NOW) });
          return send(200, held.row);
        }
        const asked = JSON.parse(body) as Parameters<typeof eventOf>[2];
        if (user.role !== 'engineer' && asked.kind !== 'swap') return forbidden();
        if (NOW < Date.parse(asked.from)) return refuse(422, 'event_future', '时间还没有到。');
        if (event[2] === 'preview') return answer(preview(campus, id, asked));
        const row = eventOf(campus.events.length + 1, user, asked);
        campus.events.push({ meter: id, row });
        return send(201, row);
      }
      if (path === '/session' && method === 'DELETE') {
        campus.user = null;
        return send(204);
      }
      if (path === '/session' || path === '/setup') {
        const who = JSON.parse(body) as { name: string; password: string };
        if (path === '/session' && who.password !== 'correct horse') return refuse(401, 'wrong_credentials', '用户名或密码不对');
        campus.user = { name: who.name, role: 'engineer' };
        campus.setupNeeded = false;
        return send(path === '/setup' ? 201 : 204);
      }
      if (/^\/nodes\/[^/]+\/commands$/.test(path)) return send(202, command(campus, path.split('/')[2] ?? '', body));
      if (path.startsWith('/reports/')) return send(202);
      return refuse(404, 'not_found', '没有找到');
    }

    const meter = /^\/meters\/([^/]+)(\/day|\/year)?$/.exec(path);
    if (path === '/status') return send(200, campus.status());
    if (!campus.openReading && campus.user === null) return refuse(401, 'log_in', '请先登录');
    if (path === '/today') return send(200, campus.today());
    if (path === '/patrol') return send(200, campus.patrol());
    if (path === '/meters') return send(200, campus.meters());
    if (path === '/why') return answer(why(campus, url.searchParams));
    if (path === '/today/rows') return answer(tileRows(campus, url.searchParams.get('tile')));
    const watched = /^\/meters\/([^/]+)\/(detectors|forecast)$/.exec(path);
    if (watched !== null) return answer((watched[2] === 'detectors' ? detectors : forecast)(campus, decodeURIComponent(watched[1] ?? '')));
    if (path === '/preview') return answer(tried(campus, url.searchParams));
    if (path === '/savings') return answer(saved(campus, url.searchParams));
    const proof = /^\/findings\/(\d+)\/days$/.exec(path);
    if (proof !== null) return answer(daysOf(campus, Number(proof[1])));
    if (path === '/findings') return send(200, listed(campus, url.searchParams));
    const one = /^\/(findings|months)\/([\w-]+)$/.exec(path);
    if (one?.[1] === 'findings') return answer(finding(campus, Number(one[2])));
    if (one?.[1] === 'months') return answer(month(campus, one[2] ?? ''));
    const about = /^\/meters\/([^/]+)\/(counts|balance|events)$/.exec(path);
    if (about !== null) {
      const id = decodeURIComponent(about[1] ?? '');
      if (about[2] === 'counts') return answer(counts(id, url.searchParams));
      if (about[2] === 'balance') return answer(balance(campus, id, url.searchParams));
      const row = campus.meter(id);
      const events = campus.events.filter((event) => event.meter === id).map((event) => event.row);
      return answer(row === null ? null : { meter: { id, name: row.name }, unit: row.unit, events: [...events].reverse() });
    }
    if (path === '/switches') return send(200, switches(campus));
    if (path === '/mails') return send(200, campus.mails());
    const to = /^\/nodes\/([^/]+)\/commands$/.exec(path);
    if (to !== null) {
      const node = decodeURIComponent(to[1] ?? '');
      return send(200, { node, commands: campus.commands.filter((one) => one.node === node) });
    }
    if (path === '/nodes') return send(200, campus.nodes());
    if (path === '/live') return this.live(response);
    if (meter !== null) {
      const id = decodeURIComponent(meter[1] ?? '');
      if (meter[2] === '/day') return answer(campus.day(id, url.searchParams.get('date') ?? rfc(NOW).slice(0, 10)));
      if (meter[2] === '/year') return answer(campus.year(id));
      return answer(campus.meter(id));
    }
    return refuse(404, 'not_found', '没有找到');
  }

  private live(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    this.streams.add(response);
    response.on('close', () => this.streams.delete(response));
    const latest = this.campus
      .meters()
      .meters.filter((meter) => meter.state === 'live')
      .map(({ id, last_at, power_mw, flow_ml_h }) => ({ meter: id, at: last_at, power_mw, flow_ml_h }));
    const snapshot = { latest, open_findings: this.campus.findings().length, version: '0.1.0' };
    response.write(`event: snapshot\ndata: ${JSON.stringify(snapshot)}\n\n`);
  }
}
