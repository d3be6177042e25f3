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
/** What is looked at and not pictured: the narrowest page that WCAG 2.2 asks for (1.4.10), and text of twice the size (1.4.4). */
const narrow = { width: 320, height: 640 };

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

  /** Types with the keyboard, wherever the focus is. */
  async type({ page }, text) {
    await page.keyboard.type(text);
  },

  async press({ page }, key) {
    await page.keyboard.press(key);
  },

  /** Presses Enter, and waits for the page that this leads to. */
  async enter({ page }) {
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  },

  /** What a screen reader is told of the page: a line for each thing that has a meaning. */
  async tree({ page }) {
    return tree(page);
  },

  /** Takes the four pictures of a page, and tells what is wrong with it in any of them. */
  async look({ page, complaints }, folder, name) {
    const found = complaints.splice(0);
    found.push(...heard(await tree(page)).map((fault) => `${name}: ${fault}`));
    for (const colorScheme of ["light", "dark"]) {
      for (const [size, viewport] of Object.entries(sizes)) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        await page.setViewportSize(viewport);
        const picture = `${name}-${colorScheme}-${size}`;
        await page.screenshot({ path: `${folder}/${picture}.png` });
        found.push(...(await page.evaluate(faults)).map((fault) => `${picture}: ${fault}`));
      }
    }
    await page.setViewportSize(narrow);
    found.push(...(await page.evaluate(faults)).map((fault) => `${name} at 320 px: ${fault}`));
    await page.setViewportSize(sizes.phone);
    await page.evaluate('document.documentElement.style.fontSize = "200%"');
    found.push(...(await page.evaluate(faults)).map((fault) => `${name} with large text: ${fault}`));
    await page.evaluate('document.documentElement.style.fontSize = ""');
    return found;
  },

  /** What the browser has complained of since it was asked before: errors, and whatever a policy forbade. */
  async complaints({ complaints }) {
    return complaints.splice(0);
  },
};

/** What Chromium tells a screen reader (`Accessibility.getFullAXTree`): role, name, states, and what describes it. */
async function tree(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  await session.detach();
  const silent = ["none", "generic", "StaticText", "InlineTextBox", "RootWebArea", "paragraph", "LabelText", "LineBreak"];
  const lines = nodes.filter((node) => !node.ignored && !silent.includes(node.role?.value)).map((node) => {
    const state = (name) => node.properties?.find((one) => one.name === name)?.value.value;
    const level = state("level") ? ` ${state("level")}` : "";
    const states = ["required", "focused"].filter((name) => state(name) === true);
    if (state("invalid") === "true") states.push("invalid");
    const described = node.description?.value ? `: ${node.description.value}` : "";
    return `${node.role.value}${level} "${node.name?.value ?? ""}"${states.map((one) => ` ${one}`).join("")}${described}`;
  });
  return lines;
}

/** What of it would leave somebody in the dark who hears the page. */
function heard(lines) {
  const found = [];
  const are = (start) => lines.filter((line) => line.startsWith(start));
  for (const one of ["main ", "heading 1 "]) {
    if (are(one).length !== 1) found.push(`${are(one).length} of ${one}are heard`);
  }
  for (const role of ["heading", "textbox", "button", "link", "image", "checkbox"]) {
    for (const line of are(role)) if (/^\w+( \d)? ""/.test(line)) found.push(`it is not said what this is: ${line}`);
  }
  for (const line of lines) if (line.includes(" invalid") && !line.includes(": ")) found.push(`it is not said why: ${line}`);
  return found;
}

/**
 * A visitor has cookies and one window of their own. One without scripts is called `"<name> without scripts"`, one who likes a
 * language best `"<name> in <language>"`.
 */
async function visitor(name) {
  if (!visitors.has(name)) {
    const javaScriptEnabled = !name.endsWith(" without scripts");
    const locale = name.match(/ in ([a-z]{2})\b/)?.[1];
    const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled, locale });
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
