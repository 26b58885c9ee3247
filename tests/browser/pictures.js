// Draws the processes of `bpmn/` anew: `node tests/browser/pictures.js` writes docs/img/PROCESS.svg.

import { writeFile } from "node:fs/promises";
import { draw, pictureOf, prepare, shipped } from "./bpmn.js";
import { startBrowser } from "./browser.js";

const { page, close } = await startBrowser();
try {
  await prepare(page);
  for (const id of await shipped()) {
    const { svg } = await draw(page, id);
    await writeFile(pictureOf(id), `${svg}\n`);
    console.log(`${pictureOf(id)}: ${svg.length} bytes`);
  }
} finally {
  await close();
}
