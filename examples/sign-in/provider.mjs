// The OpenID provider of the example: node provider.mjs
// It takes any name and any password. Put your own in its place: ISSUER, CLIENT_ID and CLIENT_SECRET
// of login.mjs are all that changes.

import { Provider } from 'oidc-provider'

const {
  SITE = 'http://localhost:8080',
  ISSUER = 'http://localhost:4000',
  CLIENT_ID = 'site',
  CLIENT_SECRET = 'a secret of the example',
  HOST = '127.0.0.1',
  PORT = '4000',
} = process.env

const provider = new Provider(ISSUER, {
  clients: [{
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    redirect_uris: [`${SITE}/auth/callback`],
    post_logout_redirect_uris: [`${SITE}/auth/signed-out`],
  }],
  claims: { openid: ['sub'], profile: ['name'], email: ['email'] },
  conformIdTokenClaims: false,
  cookies: { keys: ['a key of the example'] },
  findAccount: (context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `${id} of the example`, email: `${id}@example.com` }),
  }),
})

provider.listen(Number(PORT), HOST, () => console.log(`provider on ${HOST}:${PORT}`))
