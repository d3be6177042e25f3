// A real browser: does what each line of standard input says, and answers with a line of JSON.
//
// Argument: the program. A command is [visitor, what, ...]; its answer {"value": ...} or {"error": "..."}. When the input
// ends, the browser does.

import { createInterface } from "node:readline";
import { chromium } from "playwright-core";
import { faults } from "./faults.mjs";

const quiet = ["disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update"];
const browser = await chromium.launch({
  executablePath: process.argv[2],
  args: [...quiet, "disable-sync"].map((name) => `--${name}`),
});
const visitors = new Map();
const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };

const commands = {
  /** Opens a URL in the visitor's window. */
  async open({ page }, url) {
    const answer = await page.goto(url);
    return { status: answer.status(), url: page.url() };
  },

  async fill({ page }, selector, text) {
    await page.fill(selector, text);
  },

  async click({ page }, selector) {
    await page.click(selector);
  },

  /** Waits until the window shows a page whose URL begins so. */
  async arrive({ page }, start) {
    await page.waitForURL((url) => url.href.startsWith(start)).catch((error) => {
      throw new Error(`${error.message}; it is at ${page.url()}`);
    });
    return page.url();
  },

  /** What is visible of an element. */
  async read({ page }, selector) {
    return page.innerText(selector);
  },

  /** Runs an expression in the page; a promise is waited for. */
  async run({ page }, expression) {
    return page.evaluate(expression);
  },

  /** The names of what the tabulator key leads to, from the top of a page that was just opened. */
  async tab({ page }) {
    const focused = () => page.evaluate("document.activeElement.innerText || document.activeElement.name");
    const names = [];
    if (await page.evaluate("document.activeElement === document.body")) await page.keyboard.press("Tab");
    while (!(await page.evaluate("document.activeElement === document.body")) && !names.includes(await focused())) {
      names.push(await focused());
      await page.keyboard.press("Tab");
    }
    return names;
  },

  /** Takes the four pictures of a page, and tells what is wrong with it in any of them. */
  async look({ page, complaints }, folder, name) {
    const found = complaints.splice(0);
    for (const colorScheme of ["light", "dark"]) {
      for (const [size, viewport] of Object.entries(sizes)) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize(viewport);
        const picture = `${name}-${colorScheme}-${size}`;
        await page.screenshot({ path: `${folder}/${picture}.png` });
        found.push(...(await page.evaluate(faults)).map((fault) => `${picture}: ${fault}`));
      }
    }
    return found;
  },

  /** What the browser has complained of since it was asked before: errors, and whatever a policy forbade. */
  async complaints({ complaints }) {
    return complaints.splice(0);
  },
};

/** A visitor has cookies and one window of their own. One without scripts is called `"<name> without scripts"`. */
async function visitor(name) {
  if (!visitors.has(name)) {
    const javaScriptEnabled = !name.endsWith(" without scripts");
    const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled });
    context.setDefaultTimeout(30_000);
    const [page, complaints] = [await context.newPage(), []];
    page.on("console", (message) => {
      // That a status is an error's is for the test to say.
      if (message.type() === "error" && !message.text().startsWith("Failed to load resource: the server responded")) {
        complaints.push(message.text());
      }
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    visitors.set(name, { page, complaints });
  }
  return visitors.get(name);
}

for await (const line of createInterface({ input: process.stdin })) {
  const [name, what, ...more] = JSON.parse(line);
  try {
    console.log(JSON.stringify({ value: (await commands[what](await visitor(name), ...more)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.message }));
  }
}
await browser.close();
