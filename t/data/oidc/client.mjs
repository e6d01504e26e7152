// A client that is bound to its tokens: node client.mjs PROVIDER RESOURCE AUTHORITY FOLDER STEPS
// It is made of the npm package oauth4webapi, which shares no code with the module under test. AUTHORITY is the file of the
// certificate authority, FOLDER has the clients' certificates. STEPS is a JSON list. Prints a JSON list with one result for
// each step:
//   { "token": NAME, "alg": ALG, "key": KEY, "certificate": CERTIFICATE }   gets a token, and keeps it. Result: its type
//   { "get": PATH, "method": METHOD, "with": NAME, "key": KEY, "certificate": CERTIFICATE, "sent_to": PATH, "times": N }
//       uses it. The proof is for PATH and METHOD, and the request is sent to "sent_to" if that is there, N times. Result: the
//       status, $jwt_status, and the challenges of the last response, as the library reads them.
// Without "key" no proof is sent, without "certificate" no certificate. Keys are made when they are named first, for ES256
// unless there is "alg".

import { webcrypto } from 'node:crypto'
import fs from 'node:fs'
import https from 'node:https'

// Node.js 18 has them in the module only.
globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey
const oauth = await import('oauth4webapi')

const [provider, resource, authority, folder, steps] = process.argv.slice(2)
const ca = fs.readFileSync(authority)
const keys = new Map()
const tokens = new Map()

// A fetch() that shows a certificate, which that of Node.js cannot do. sent_to replaces the path.
function fetchWith(certificate, { sent_to, times = 1 } = {}) {
  const pem = (kind) => certificate && fs.readFileSync(`${folder}/${certificate}.${kind}`)
  const once = (url, { method, headers, body }) => new Promise((resolve, reject) => {
    const options = { method, headers, ca, cert: pem('crt'), key: pem('key'), family: 4, agent: false }
    const request = https.request(sent_to ? new URL(sent_to, url) : url, options, async (incoming) => {
      const chunks = []
      for await (const chunk of incoming) chunks.push(chunk)
      const lines = new Headers()
      for (let i = 0; i < incoming.rawHeaders.length; i += 2) lines.append(incoming.rawHeaders[i], incoming.rawHeaders[i + 1])
      const empty = incoming.statusCode === 204
      resolve(new Response(empty ? null : Buffer.concat(chunks), { status: incoming.statusCode, headers: lines }))
    })
    request.on('error', reject)
    request.end(body?.toString())
  })
  return async (url, options) => {
    for (let i = 1; i < times; i++) await once(url, options)
    return once(url, options)
  }
}

async function optionsOf(step, client) {
  const options = { [oauth.customFetch]: fetchWith(step.certificate, step) }
  if (step.key) {
    if (!keys.has(step.key)) keys.set(step.key, await oauth.generateKeyPair(step.alg ?? 'ES256'))
    options.DPoP = oauth.DPoP(client, keys.get(step.key))
  }
  return options
}

async function getToken(step) {
  const client = { client_id: step.certificate ? 'tls-app' : 'app' }
  const parameters = { resource: 'https://api.example.com', scope: 'read' }
  const response = await oauth.clientCredentialsGrantRequest(
    server, client, oauth.ClientSecretPost('secret'), parameters, await optionsOf(step, client))
  const result = await oauth.processClientCredentialsResponse(server, client, response)
  tokens.set(step.token, result.access_token)
  return result.token_type
}

async function use(step) {
  const options = await optionsOf(step, { client_id: 'app' })
  const url = new URL(step.get, resource)
  try {
    return result(await oauth.protectedResourceRequest(
      tokens.get(step.with), step.method ?? 'GET', url, undefined, undefined, options))
  } catch (error) {
    if (!(error instanceof oauth.WWWAuthenticateChallengeError)) throw error
    return { ...result(error.response), challenges: error.cause }
  }
}

function result(response) {
  return { status: response.status, jwt_status: response.headers.get('x-status') }
}

const issuer = new URL(provider)
const found = await oauth.discoveryRequest(issuer, { [oauth.customFetch]: fetchWith() })
const server = await oauth.processDiscoveryResponse(issuer, found)
const results = []
for (const step of JSON.parse(steps)) results.push(await (step.token ? getToken(step) : use(step)))
console.log(JSON.stringify(results))
