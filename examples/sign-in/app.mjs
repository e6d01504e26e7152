// The application: node app.mjs
// It knows nothing of tokens, sessions and sign-in. nginx tells it who asks.

import http from 'node:http'

const { HOST = '127.0.0.1', PORT = '3000' } = process.env

const escape = (text) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)

http.createServer((request, response) => {
  const header = (name) => decodeURIComponent(request.headers[name] ?? '')
  if (request.url.startsWith('/api/')) {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    return response.end(JSON.stringify({ user: header('x-auth-user'), email: header('x-auth-email') }))
  }
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' })
  response.end(`<!doctype html><title>The application</title>
<body style="font: 18px sans-serif; margin: 4em auto; max-width: 30em">
<h1>The application</h1>
<p>You are <b id="name">${escape(header('x-auth-name'))}</b>, user <b id="user">${escape(header('x-auth-user'))}</b>,
<b id="email">${escape(header('x-auth-email'))}</b>.
<p>You asked for <code id="page">${escape(request.url)}</code>.
<form method="post" action="/auth/sign-out"><button style="font: inherit">Sign out</button></form>`)
}).listen(Number(PORT), HOST, () => console.log(`application on ${HOST}:${PORT}`))
