// Clients: HTTP/1.1 and HTTP/2, with and without TLS, on new connections and on those that are there.

import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';

/** How long a client waits for a response. */
const PATIENCE = 60_000;

/** How many connections the requests by HTTP/2 share. */
const SESSIONS = 4;

export const TRANSPORTS = ['http/1.1', 'http/1.1, new', 'https/1.1', 'https/1.1, new', 'http/2'];

/** The connection has ended without a response. `isIdle`: it had been idle, so that the server may close it. */
export class Lost extends Error {
    constructor(cause, isIdle) {
        super(cause.message || String(cause.code ?? cause));
        this.isIdle = isIdle;
    }
}

export class Client {
    constructor(ports, certificate) {
        this.ports = ports;
        const tls = { ca: certificate, servername: 'localhost' };
        const kept = { keepAlive: true, maxFreeSockets: 16 };
        this.options = {
            'http/1.1': { module: http, agent: new http.Agent(kept), port: ports.plain },
            'http/1.1, new': { module: http, agent: false, port: ports.plain },
            'https/1.1': { module: https, agent: new https.Agent({ ...kept, ...tls }), port: ports.tls, ...tls },
            'https/1.1, new': { module: https, agent: false, port: ports.tls, ...tls },
        };
        this.tls = tls;
        this.sessions = [];
    }

    origin(transport) {
        return transport.startsWith('http/1.1') ? `http://127.0.0.1:${this.ports.plain}` : `https://127.0.0.1:${this.ports.tls}`;
    }

    /** Sends a request. `leave`: after so many milliseconds the client goes, and there is no response. */
    send(transport, path, request, leave) {
        const sent = transport === 'http/2' ? this.send2(path, request, leave) : this.send1(transport, path, request, leave);
        return sent.catch((error) => {
            throw error instanceof Lost ? error : new Lost(error, true);
        });
    }

    send1(transport, path, { method = 'GET', headers, body }, leave) {
        const { module, ...options } = this.options[transport];
        return new Promise((done, fail) => {
            const sent = module.request({ host: '127.0.0.1', path, method, headers, ...options }, (response) => {
                const parts = [];
                response.on('data', (part) => parts.push(part));
                response.on('end', () => done({
                    status: response.statusCode, headers: response.headers, body: Buffer.concat(parts).toString(),
                }));
                response.on('error', (error) => fail(new Lost(error, false)));
            });
            sent.on('error', (error) => fail(new Lost(error, sent.reusedSocket)));
            sent.setTimeout(PATIENCE, () => sent.destroy(new Error(`no response in ${PATIENCE} ms`)));
            if (leave === undefined) {
                sent.end(body);
                return;
            }
            // Without its second half, if there is a body.
            if (body) {
                sent.setHeader('Content-Length', body.length);
                sent.write(body.slice(0, body.length / 2));
            } else {
                sent.end();
            }
            setTimeout(() => sent.destroy(), leave);
        });
    }

    /** A connection that takes requests, one of a few. */
    session() {
        const at = Math.floor(Math.random() * SESSIONS);
        let session = this.sessions[at];
        if (!session || session.hasGone || session.closed || session.destroyed) {
            session = this.connect();
            this.sessions[at] = session;
        }
        return session;
    }

    connect() {
        const session = http2.connect(`https://127.0.0.1:${this.ports.tls}`, this.tls);
        const goes = () => {
            session.hasGone = true;
        };
        session.on('goaway', goes).on('close', goes).on('error', goes);
        session.setTimeout(PATIENCE, () => session.destroy());
        return session;
    }

    send2(path, { method = 'GET', headers, body }, leave) {
        // Whoever leaves takes no others along.
        const session = leave === undefined ? this.session() : this.connect();
        return new Promise((done, fail) => {
            const authority = `127.0.0.1:${this.ports.tls}`;
            const head = { ':method': method, ':path': path, ':authority': authority, ...headers };
            const stream = session.request(head, { endStream: !body });
            const parts = [];
            let answer;
            stream.on('response', (got) => {
                answer = got;
            });
            stream.on('data', (part) => parts.push(part));
            stream.on('end', () => answer && done({ status: answer[':status'], headers: answer, body: Buffer.concat(parts).toString() }));
            // The server may close a connection whenever it has nothing to do for it, and says which streams
            // it has not begun (RFC 9113 section 6.8).
            const lost = (error) => fail(new Lost(error, !answer));
            stream.on('error', lost);
            stream.on('close', () => lost(new Error(`the stream was closed, code ${stream.rstCode}`)));
            if (leave !== undefined) {
                if (body) {
                    stream.write(body.slice(0, body.length / 2));
                }
                setTimeout(() => {
                    stream.close(http2.constants.NGHTTP2_CANCEL);
                    session.destroy();
                }, leave);
            } else if (body) {
                stream.end(body);
            }
        });
    }

    /** Connects, sends what begins like a request or a handshake, and leaves. */
    knock(port, bytes, leave) {
        const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes));
        socket.on('error', () => {});
        setTimeout(() => (Math.random() < 0.5 ? socket.destroy() : socket.resetAndDestroy()), leave);
    }
}
