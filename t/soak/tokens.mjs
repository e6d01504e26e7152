// Keys, tokens and DPoP proofs, made with the cryptography of Node.js: an implementation other than
// the module's.

import crypto from 'node:crypto';

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const sha256 = (text) => crypto.createHash('sha256').update(text).digest('base64url');

const KINDS = {
    ES256: { type: 'ec', options: { namedCurve: 'P-256' }, hash: 'sha256' },
    RS256: { type: 'rsa', options: { modulusLength: 2048 }, hash: 'sha256' },
    EdDSA: { type: 'ed25519', options: {}, hash: null },
};

/** A key pair that signs tokens. */
export class Key {
    constructor(alg, kid) {
        const kind = KINDS[alg];
        const pair = crypto.generateKeyPairSync(kind.type, kind.options);
        this.alg = alg;
        this.kid = kid;
        this.hash = kind.hash;
        this.private = { key: pair.privateKey, dsaEncoding: 'ieee-p1363' };
        this.public = pair.publicKey.export({ format: 'jwk' });
    }

    /** The public key, with its name and algorithm. */
    jwk() {
        return { ...this.public, kid: this.kid, alg: this.alg };
    }

    sign(claims, header = {}) {
        const text = `${encode({ alg: this.alg, kid: this.kid, ...header })}.${encode(claims)}`;
        return `${text}.${crypto.sign(this.hash, Buffer.from(text), this.private).toString('base64url')}`;
    }

    /** RFC 7638. */
    thumbprint() {
        const { crv, kty, x, y } = this.public;
        return sha256(JSON.stringify({ crv, kty, x, y }));
    }

    /** A DPoP proof of this key (RFC 9449). */
    prove(claims, token) {
        const jti = crypto.randomUUID();
        const header = { typ: 'dpop+jwt', jwk: this.public, kid: undefined };
        return this.sign({ jti, ath: sha256(token), ...claims }, header);
    }
}

/** A token without a signature. */
export const unsigned = (claims) => `${encode({ alg: 'none' })}.${encode(claims)}.`;

/** Makes nested tokens: encrypted with a secret (dir, A256GCM). */
export class Secret {
    constructor() {
        this.bytes = crypto.randomBytes(32);
    }

    jwk() {
        return { kty: 'oct', k: this.bytes.toString('base64url'), alg: 'dir', use: 'enc' };
    }

    encrypt(token) {
        const header = encode({ alg: 'dir', enc: 'A256GCM', cty: 'JWT' });
        const iv = crypto.randomBytes(12);
        const cipher = crypto.createCipheriv('aes-256-gcm', this.bytes, iv).setAAD(Buffer.from(header));
        const content = Buffer.concat([cipher.update(token), cipher.final()]);
        const parts = [iv, content, cipher.getAuthTag()].map((part) => part.toString('base64url'));
        return [header, '', ...parts].join('.');
    }
}

/** The token with another last part: its signature, or the tag of its encryption. */
export function spoil(token) {
    const at = token.lastIndexOf('.') + 1;
    const bytes = Buffer.from(token.slice(at), 'base64url');
    bytes[0] ^= 1;
    return token.slice(0, at) + bytes.toString('base64url');
}
