// The OpenID provider of t/lib/OidcProvider.pm: node provider.mjs PORT CERTIFICATE KEY
// Clients get JWT access tokens by client_credentials. GET /add: a new key signs from now on, those before are still
// published; GET /drop: they no longer are. GET /mint?sub=...&scope=...&aud=...&seconds=...: an opaque access token, which
// is bound to a key with &jkt=...; GET /revoke?token=...: it is revoked. The client "api" may ask about tokens
// (introspection).
// A client that sends a DPoP proof gets a token that is bound to its key (RFC 9449), and the client "tls-app" one that is
// bound to its certificate (RFC 8705).

import { generateKeyPairSync } from 'node:crypto'
import fs from 'node:fs'
import https from 'node:https'
import { Provider } from 'oidc-provider'

const [port, cert, key] = process.argv.slice(2)
// It warns of its store in memory, which is what we want.
console.info = console.warn = () => {}

let count = 0
let keys = []
let provider
let answer

function start(kept) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  keys = [{ ...privateKey.export({ format: 'jwk' }), kid: `key-${++count}`, alg: 'ES256', use: 'sig' }, ...kept]
  restart()
}

function restart() {
  provider = new Provider(`https://localhost:${port}`, {
    jwks: { keys },
    enabledJWA: { dPoPSigningAlgValues: ['ES256', 'PS256'] },
    cookies: { keys: ['for tests only'] },
    clients: [{
      client_id: 'app',
      client_secret: 'secret',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_post',
      id_token_signed_response_alg: 'ES256',
    }, {
      client_id: 'tls-app',
      client_secret: 'secret',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_post',
      id_token_signed_response_alg: 'ES256',
      tls_client_certificate_bound_access_tokens: true,
    }, {
      client_id: 'api',
      client_secret: 'p+ss/w rd',
      grant_types: [],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: 'ES256',
    }],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        getCertificate: (ctx) => ctx.socket.getPeerX509Certificate(),
      },
      introspection: {
        enabled: true,
        allowedPolicy: (_, client) => client.clientId === 'api',
      },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: 'read mcp:tools',
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  })
  answer = provider.callback()
}

async function mint(query) {
  const client = await provider.Client.find('app')
  const token = new provider.AccessToken({
    client,
    accountId: query.get('sub'),
    scope: query.get('scope'),
    expiresIn: Number(query.get('seconds')),
  })
  if (query.get('aud')) token.aud = query.get('aud')
  if (query.get('jkt')) token.setThumbprint('jkt', query.get('jkt'))
  return token.save()
}

start([])

https.createServer({
  cert: fs.readFileSync(cert),
  key: fs.readFileSync(key),
  // Clients may have certificates of their own.
  requestCert: true,
  rejectUnauthorized: false,
}, async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'https://localhost')
  if (pathname === '/mint') {
    response.end(await mint(searchParams))
  } else if (pathname === '/revoke') {
    const token = await provider.AccessToken.find(searchParams.get('token'))
    await token.destroy()
    response.end('revoked')
  } else if (request.url === '/add') {
    start(keys)
    response.end(keys[0].kid)
  } else if (request.url === '/drop') {
    keys.length = 1
    restart()
    response.end(keys[0].kid)
  } else {
    answer(request, response)
  }
}).listen(port, '127.0.0.1')
