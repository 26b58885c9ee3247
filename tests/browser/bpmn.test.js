// The project's processes as Camunda Modeler draws them: `make test-real`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { draw, overlaps, pictureOf, prepare, shipped } from "./bpmn.js";
import { startBrowser } from "./browser.js";

let browser;
before(async () => {
  browser = await startBrowser();
  await prepare(browser.page);
});
after(() => browser?.close());

/** What a picture shows, but for the places of labels and words, which follow the machine's fonts. */
function content(svg) {
  const elements = svg.match(/<g [^>]*data-element-id="[^>]*>/g).map((element) =>
    element.includes('_label"') ? element.replace(/ transform="[^"]*"/, "") : element,
  );
  const geometry = [...elements, ...svg.match(/ (d|cx|cy|r|points)="[^"]*"/g)];
  const words = svg.replace(/<!--.*?-->|<style.*?<\/style>|<[^>]*>|\s/gs, "");
  return { geometry, words };
}

for (const id of await shipped()) {
  test(`${id} opens without a warning, nothing lies over anything, and its picture is up to date`, async () => {
    const drawn = await draw(browser.page, id);
    assert.deepEqual(drawn.warnings, []);
    assert.deepEqual(overlaps(drawn), []);
    const picture = await readFile(pictureOf(id), "utf8");
    assert.deepEqual(content(drawn.svg), content(picture), "`node tests/browser/pictures.js` draws it anew");
    assert.deepEqual(browser.complaints, []);
  });
}
