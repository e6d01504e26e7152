// The OpenID provider of t/lib/OidcProvider.pm: node provider.mjs PORT CERTIFICATE KEY
// Clients get JWT access tokens by client_credentials for any resource, with the scopes read and mcp:tools if they ask
// for them. GET /add: a new key signs from now on, those before are still
// published; GET /drop: they no longer are.

import { generateKeyPairSync } from 'node:crypto'
import fs from 'node:fs'
import https from 'node:https'
import { Provider } from 'oidc-provider'

const [port, cert, key] = process.argv.slice(2)
// It warns of its store in memory, which is what we want.
console.info = console.warn = () => {}

let count = 0
let keys = []
let answer

function start(kept) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  keys = [{ ...privateKey.export({ format: 'jwk' }), kid: `key-${++count}`, alg: 'ES256', use: 'sig' }, ...kept]
  restart()
}

function restart() {
  const provider = new Provider(`https://localhost:${port}`, {
    jwks: { keys },
    cookies: { keys: ['for tests only'] },
    clients: [{
      client_id: 'app',
      client_secret: 'secret',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_post',
      id_token_signed_response_alg: 'ES256',
    }],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
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

start([])

https.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) }, (request, response) => {
  if (request.url === '/add') {
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
