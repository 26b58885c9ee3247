// A BPMN file in bpmn-js, the renderer of Camunda Modeler: what it warns of, its picture, and where everything lies.

import { readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const project = fileURLToPath(new URL("../..", import.meta.url));

/** The ids of the project's processes, which are the names of their files. */
export async function shipped() {
  const files = await readdir(join(project, "bpmn"));
  return files.filter((file) => file.endsWith(".bpmn")).map((file) => basename(file, ".bpmn")).sort();
}

/** Where the picture of a process is. */
export const pictureOf = (id) => join(project, "docs/img", `${id}.svg`);

/** Makes a page that can draw. */
export async function prepare(page) {
  await page.setContent('<!doctype html><div id="canvas" style="width: 2000px; height: 1000px"></div>');
  await page.addScriptTag({ path: require.resolve("bpmn-js/dist/bpmn-viewer.production.min.js") });
}

/** Draws a process; gives warnings, its picture as SVG, and its shapes and connections. */
export async function draw(page, id) {
  const xml = await readFile(join(project, "bpmn", `${id}.bpmn`), "utf8");
  const zeebe = JSON.parse(await readFile(require.resolve("zeebe-bpmn-moddle/resources/zeebe.json"), "utf8"));
  return page.evaluate(drawHere, { xml, zeebe });
}

// Runs in the page.
async function drawHere({ xml, zeebe }) {
  const viewer = new BpmnJS({ container: "#canvas", moddleExtensions: { zeebe } });
  const { warnings } = await viewer.importXML(xml);
  const drawn = new DOMParser().parseFromString((await viewer.saveSVG()).svg, "image/svg+xml");
  // For the mouse only.
  drawn.querySelectorAll(".djs-hit, .djs-outline").forEach((part) => part.remove());
  // Their names are random.
  const markers = [...drawn.querySelectorAll("marker[id]")].map((marker) => marker.id);
  drawn.documentElement.style.background = "white";
  const text = new XMLSerializer().serializeToString(drawn);
  const svg = markers.reduce((text, name, number) => text.replaceAll(name, `marker-${number}`), text);

  const all = viewer.get("elementRegistry").filter((element) => element.parent);
  const ancestors = (element) => (element ? [element.id, ...ancestors(element.parent)] : []);
  // A label's box as the file has it: the drawn one follows the machine's fonts.
  const bounds = (shape) => (shape.labelTarget && shape.di.label?.bounds) || shape;
  const box = ({ x, y, width, height }) => [x, y, x + width, y + height];
  const shapes = all.filter((element) => !element.waypoints).map((shape) => ({
    id: shape.id,
    box: box(bounds(shape)),
    within: ancestors(shape.parent),
    host: shape.host?.id,
  }));
  const connections = all.filter((element) => element.waypoints).map((connection) => ({
    id: connection.id,
    points: connection.waypoints.map(({ x, y }) => [x, y]),
    ends: [connection.source, connection.target].flatMap((end) => [end.id, end.host?.id]),
  }));
  viewer.destroy();
  return { warnings: warnings.map((warning) => warning.message), svg, shapes, connections };
}

/** What lies over something else: shapes and labels over each other, connections over shapes and labels. */
export function overlaps({ shapes, connections }) {
  const over = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
  const found = [];
  shapes.forEach((one, index) => {
    for (const other of shapes.slice(index + 1)) {
      const belong = one.within.includes(other.id) || other.within.includes(one.id);
      const attached = one.host === other.id || other.host === one.id;
      if (!belong && !attached && over(one.box, other.box)) found.push(`${one.id} over ${other.id}`);
    }
  });
  for (const { id, points, ends } of connections) {
    // A subprocess around a connection, or around one of its ends, is no obstacle.
    const around = shapes.filter((shape) => ends.includes(shape.id)).flatMap((shape) => shape.within);
    const obstacles = shapes.filter((shape) => !ends.includes(shape.id) && !around.includes(shape.id));
    points.slice(1).forEach(([x, y], index) => {
      const [fromX, fromY] = points[index];
      const box = [Math.min(x, fromX), Math.min(y, fromY), Math.max(x, fromX), Math.max(y, fromY)];
      for (const shape of obstacles) if (over(box, shape.box)) found.push(`${id} over ${shape.id}`);
    });
  }
  return found;
}
