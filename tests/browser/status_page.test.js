// The operator's page in Chromium, while the demo runs: `make test-real`.
//
// SCREENSHOT=FILE keeps a picture of it.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startBrowser } from "./browser.js";
import { startDemo } from "./demo.js";

// Far beyond what any step takes; it only ends tests that fail.
const PATIENCE_MS = 120_000;

let demo, browser;
before(async () => {
  demo = await startDemo();
  browser = await startBrowser();
  browser.page.setDefaultTimeout(PATIENCE_MS);
});
after(async () => {
  await browser?.close();
  await demo?.ended();
});

/** Resolves with what `find`, a function of the page, finds, as soon as the page's changes let it find something. */
function seen(page, find) {
  const watch = `new Promise((found, failed) => {
    const find = ${find};
    const look = () => {
      const result = find();
      if (result) { observer.disconnect(); found(result); }
      return result;
    };
    const observer = new MutationObserver(look);
    if (look()) return;
    observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    setTimeout(() => failed(new Error("in vain: " + find)), ${PATIENCE_MS});
  })`;
  return page.evaluate(watch);
}

test("the page follows the calls by itself, and each call's page tells what it did", async () => {
  const { page, complaints } = browser;
  await page.goto(demo.url);
  await page.evaluate(() => (window.isTheSameDocument = true));

  const call = await seen(page, () => {
    // The values that each call's bar has shown so far.
    const bars = (window.bars ??= new Map());
    for (const row of document.querySelectorAll("tbody tr[id]")) {
      const bar = row.querySelector("progress:not([hidden])");
      if (!bar) continue;
      const values = bars.get(row.id) ?? bars.set(row.id, []).get(row.id);
      if (values.at(-1) !== bar.value) values.push(bar.value);
      if (values.length >= 3) return { row: row.id, values, text: row.innerText };
    }
  });
  assert.deepEqual(call.values, [...call.values].sort((a, b) => a - b), "a bar only rises");
  assert.match(call.text, /submitted/);
  assert.match(call.text, /\d+ %/);
  if (process.env.SCREENSHOT) await picture(page);

  await page.evaluate((row) => (window.row = row), call.row);
  const ended = await seen(page, () => {
    const row = document.getElementById(window.row);
    return row?.querySelector(".succeeded") && { text: row.innerText, bar: !row.querySelector("progress").hidden };
  });
  assert.match(ended.text, /succeeded/);
  assert.equal(ended.bar, false, "a call that has ended has no bar");
  assert.equal(await page.evaluate(() => window.isTheSameDocument), true, "nobody loaded the page again");

  await page.locator(`#${call.row} a`).click();
  await page.waitForURL(/\/calls\/[a-z2-7]{26}$/);
  const id = call.row.replace("call-", "");
  assert.equal(await page.locator("h1").innerText(), `Call ${id}`);
  const text = await page.locator("main").innerText();
  const [, command] = text.match(/Command\s+(.+)/);
  assert.match(command, /^(BundleToPerfectSensor|OrthoRectification|call_normalize_function) /);
  for (const name of ["Accepted", "Submitted", "Ended", "Delivered", "Deadline"]) {
    assert.match(text, new RegExp(`${name}\\s+\\d{4}-\\d{2}-\\d{2}`), name);
  }
  assert.match(text, /State\s+succeeded/);
  const log = await page.locator("h2:text-is('Last lines of the output') + pre").innerText();
  assert.match(log, /\w/);

  assert.deepEqual(complaints, []);
});

test("the demo ends well, watched or not", async () => {
  await browser.page.goto("about:blank");
  const { code, said } = await demo.ended();
  assert.equal(code, 0, said);
});

/** When two bars are to be seen, one well on its way, and some calls have ended. */
async function picture(page) {
  await seen(page, () => {
    const [bars, ended] = ["progress:not([hidden])", ".succeeded"].map((what) => [...document.querySelectorAll(what)]);
    return ended.length >= 4 && bars.length >= 2 && bars.some((bar) => bar.value > 20 && bar.value < 90);
  });
  await page.setViewportSize({ width: 1280, height: 300 });
  await page.screenshot({ path: process.env.SCREENSHOT, fullPage: true });
}
