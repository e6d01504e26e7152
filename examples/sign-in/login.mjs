// The login service: node login.mjs
// nginx asks /auth/check about each request. /auth/sign-in sends a person to the OpenID provider, who
// comes back to /auth/callback with a code; /auth/sign-out ends the session here and there.
//
// A session is in the memory of this process, and the browser has its number in a cookie. So signing
// out ends it at once. Several of these processes would need a common store, such as Redis.

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import http from 'node:http'
import * as client from 'openid-client'

const {
  SITE = 'http://localhost:8080', // the address that people type in
  ISSUER = 'http://localhost:4000',
  CLIENT_ID = 'site',
  CLIENT_SECRET = 'a secret of the example',
  HOST = '127.0.0.1',
  PORT = '3001',
} = process.env

const SESSION_SECONDS = 8 * 3600
const SIGN_IN_SECONDS = 10 * 60
const TO_LENGTH = 2000

// Only the example's provider has no TLS.
const options = ISSUER.startsWith('http://') ? { execute: [client.allowInsecureRequests] } : {}
const secure = SITE.startsWith('https://')

let provider
async function findProvider() {
  provider ??= await client.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, undefined, options)
  return provider
}

// Sessions by a number that cannot be guessed. They are forgotten after some time.
class Store {
  #entries = new Map()
  #milliseconds

  constructor(seconds) {
    this.#milliseconds = seconds * 1000
    setInterval(() => {
      const now = Date.now()
      for (const [id, { end }] of this.#entries) if (end <= now) this.#entries.delete(id)
    }, 60_000).unref()
  }

  add(value) {
    const id = randomBytes(32).toString('base64url')
    this.#entries.set(id, { value, end: Date.now() + this.#milliseconds })
    return id
  }

  get(id) {
    const entry = this.#entries.get(id)
    return entry && entry.end > Date.now() ? entry.value : undefined
  }

  take(id) {
    const value = this.get(id)
    this.#entries.delete(id)
    return value
  }
}

const sessions = new Store(SESSION_SECONDS)

// The state of a sign-in is in a cookie, which only this process can read and make: anybody may begin
// any number of them, and memory of this process would be theirs to fill.
const key = randomBytes(32)

function seal(value) {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const sealed = [nonce, cipher.update(JSON.stringify(value)), cipher.final(), cipher.getAuthTag()]
  return Buffer.concat(sealed).toString('base64url')
}

function unseal(text) {
  const sealed = Buffer.from(text ?? '', 'base64url')
  if (sealed.length < 28) return undefined
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12)).setAuthTag(sealed.subarray(-16))
  try {
    return JSON.parse(Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]))
  } catch {
    return undefined
  }
}

// The page of this site to come back to, and never one of another site.
function pageOf(to) {
  try {
    const { href, origin } = new URL(to, SITE)
    if (!/^\/(?![/\\])/.test(to) || origin !== new URL(SITE).origin) return undefined
    // Browsers keep cookies of up to 4096 bytes.
    return href.length <= TO_LENGTH ? href : new URL('/', SITE).href
  } catch {
    return undefined
  }
}

// With TLS a name that only a secure page of this very host can set.
const SESSION = secure ? '__Host-session' : 'session'
const SIGN_IN = secure ? '__Host-sign-in' : 'sign-in'

function cookie(name, value, seconds) {
  return `${name}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`
}

function cookieOf(request, name) {
  const pairs = (request.headers.cookie ?? '').split(/; */)
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1)
}

const handlers = {
  'GET /auth/check': (request, response) => {
    const session = sessions.get(cookieOf(request, SESSION))
    if (!session) return response.writeHead(401).end()
    const { sub, name, email } = session.claims
    // A header line is ASCII: the application decodes the name.
    const encode = (value) => encodeURIComponent(value ?? '')
    response.writeHead(204, { 'X-Auth-User': encode(sub), 'X-Auth-Name': encode(name), 'X-Auth-Email': encode(email) })
    response.end()
  },

  'GET /auth/sign-in': async (request, response, url) => {
    const to = pageOf(url.searchParams.get('to') ?? '/')
    if (!to) return page(response, 400, 'This is no page of ours.')

    const verifier = client.randomPKCECodeVerifier()
    const state = client.randomState()
    const nonce = client.randomNonce()
    const target = client.buildAuthorizationUrl(await findProvider(), {
      redirect_uri: `${SITE}/auth/callback`,
      scope: 'openid profile email',
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
    })
    redirect(response, target.href, [cookie(SIGN_IN, seal({ to, verifier, state, nonce }), SIGN_IN_SECONDS)])
  },

  'GET /auth/callback': async (request, response, url) => {
    const signIn = unseal(cookieOf(request, SIGN_IN))
    if (!signIn) return page(response, 400, 'You took too long, or came here by another way. <a href="/">Try again.</a>')
    let tokens
    try {
      tokens = await client.authorizationCodeGrant(await findProvider(), new URL(url.pathname + url.search, SITE), {
        pkceCodeVerifier: signIn.verifier,
        expectedState: signIn.state,
        expectedNonce: signIn.nonce,
      })
    } catch (error) {
      console.error(`sign-in failed: ${error.message}`)
      return page(response, 403, 'You are not signed in. <a href="/">Try again.</a>')
    }
    sessions.take(cookieOf(request, SESSION))
    const id = sessions.add({ claims: tokens.claims(), idToken: tokens.id_token })
    redirect(response, signIn.to, [cookie(SESSION, id, SESSION_SECONDS), cookie(SIGN_IN, '', 0)])
  },

  // POST: a picture or a link on another site must not sign people out. SameSite=Lax keeps the cookie
  // from a form of another site, and without it nothing is to be forgotten.
  'POST /auth/sign-out': async (request, response) => {
    const id = cookieOf(request, SESSION)
    const session = sessions.take(id)
    const forget = id === undefined ? [] : [cookie(SESSION, '', 0)]
    if (!session) return redirect(response, '/auth/signed-out', forget)
    const target = client.buildEndSessionUrl(await findProvider(), {
      id_token_hint: session.idToken,
      post_logout_redirect_uri: `${SITE}/auth/signed-out`,
    })
    redirect(response, target.href, forget)
  },

  'GET /auth/signed-out': (request, response) => {
    page(response, 200, 'You are signed out. <a href="/">Sign in again.</a>')
  },
}

function redirect(response, to, cookies = []) {
  response.writeHead(303, { Location: to, 'Set-Cookie': cookies, 'Cache-Control': 'no-store' }).end()
}

function page(response, status, text) {
  response.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' })
  response.end(`<!doctype html><title>Sign in</title><body style="font: 18px sans-serif; margin: 4em auto; max-width: 30em">${text}`)
}

async function answer(request, response) {
  let url
  try {
    url = new URL(request.url, 'http://localhost')
  } catch {
    return page(response, 400, 'This is no address.')
  }
  const handler = handlers[`${request.method} ${url.pathname}`]
  try {
    if (handler) await handler(request, response, url)
    else page(response, 404, 'There is nothing here.')
  } catch (error) {
    console.error(`${request.method} ${url.pathname}: ${error.message}`)
    if (response.headersSent) response.destroy()
    else page(response, 503, 'The sign-in does not work at the moment.')
  }
}

// Whatever one request brings about is not to end the sessions of all.
process.on('unhandledRejection', (error) => console.error(error))

http.createServer(answer).listen(Number(PORT), HOST, () => console.log(`login service on ${HOST}:${PORT}`))
