// A person who signs in and out with a browser: node sign-in.mjs SITE SCREENSHOTS
// Prints a JSON object with what the person saw. SCREENSHOTS is a folder, or empty.

import { chromium } from 'playwright-core'

const [site, folder] = process.argv.slice(2)
const seen = {}

// The sandbox of Chromium is not for root.
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
const context = await browser.newContext({ viewport: { width: 800, height: 340 } })
const page = await context.newPage()
page.setDefaultTimeout(60_000)

const shot = async (name) => { if (folder) await page.screenshot({ path: `${folder}/${name}.png` }) }
const path = () => page.url().replace(site, '').replace(/^http:\/\/[^/]*/, 'provider:').replace(/interaction\/[^/?]*/, 'interaction')
const text = (id) => page.locator(`#${id}`).textContent()

// somebody unknown asks for a page, and is sent to the provider

await page.goto(`${site}/reports?year=2026&title=a%26b+c`)
seen.provider = path()
await shot('sign-in')
await page.fill('input[name=login]', 'anna')
await page.fill('input[name=password]', 'any')
await page.click('button[type=submit]')
seen.consent = path()
await page.click('button[type=submit]')

// and comes back to that page

await page.waitForURL(`${site}/**`)
seen.back = path()
seen.user = await text('user')
seen.name = await text('name')
seen.email = await text('email')
seen.page = await text('page')
await shot('application')

// a program of the page gets the user's data, whatever it says who it is

seen.api = await page.evaluate(async () => {
  const response = await fetch('/api/me', { headers: { 'X-Auth-User': 'mallory', X_AUTH_USER: 'mallory' } })
  return [response.status, await response.json()]
})

const cookies = await context.cookies(site)
seen.cookie = cookies.filter(({ name }) => name === 'session').map(({ httpOnly, sameSite }) => ({ httpOnly, sameSite }))
const stolen = cookies.find(({ name }) => name === 'session')

// a form of another site, which the browser sends without the cookie

const other = await context.newPage()
await other.route('http://other.example/', (route) => route.fulfill({
  contentType: 'text/html',
  body: `<form method="post" action="${site}/auth/sign-out"><button>Win</button></form>`,
}))
await other.goto('http://other.example/')
await other.click('button')
await other.waitForURL(`${site}/**`)
const there = other.url().replace(site, '')
await other.goto(`${site}/reports`)
const kept = (await context.cookies(site)).filter(({ name }) => name === 'session').length
seen.foreign = [there, kept, kept ? await other.locator('#user').textContent() : '']
await other.close()

// signs out, here and at the provider

await page.click('button')
seen.signing_out = path().replace(/\?.*/, '')
await page.click('button[name=logout]')
await page.waitForURL(`${site}/**`)
seen.signed_out = path()
await shot('signed-out')

// who comes back is asked again, with the old cookie as well

await page.goto(`${site}/reports`)
seen.again = path()
await context.addCookies([stolen])
await page.goto(`${site}/reports`)
seen.stolen = path()

await browser.close()
console.log(JSON.stringify(seen))
