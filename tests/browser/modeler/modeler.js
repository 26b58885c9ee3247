// Camunda Modeler's own library for Camunda 8, in a page of Chromium.

import { build } from "esbuild";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { startBrowser } from "../browser.js";

// Nobody is asked for it: every request is answered from files.
const ORIGIN = "http://modeler.invalid";
// Far beyond what any step takes; it only ends tests that fail.
const PATIENCE_MS = 120_000;
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const TYPES = { css: "text/css", html: "text/html", js: "text/javascript" };

/** Opens the page with these element templates; gives its functions, and how to close it. */
export async function startModeler(templates) {
  const { outputFiles } = await build({
    entryPoints: [here("linting.js")],
    bundle: true,
    format: "iife",
    globalName: "Linting",
    write: false,
    logLevel: "error",
  });
  const { page, complaints, close } = await startBrowser();
  await page.route(`${ORIGIN}/**`, async (route) => {
    const { pathname } = new URL(route.request().url());
    const contentType = TYPES[pathname.split(".").at(-1)] ?? "application/octet-stream";
    if (pathname === "/linting.js") return route.fulfill({ contentType, body: outputFiles[0].text });
    const file = pathname === "/page.html" ? here("page.html") : here(`../node_modules${pathname}`);
    return route.fulfill({ contentType, body: await readFile(file) });
  });
  page.setDefaultTimeout(PATIENCE_MS);
  await page.setViewportSize({ width: 1280, height: 760 });
  await page.goto(`${ORIGIN}/page.html`);
  const refused = await page.evaluate(start, templates);
  return {
    page,
    complaints,
    close,
    refused,
    /** Opens a diagram, and gives the warnings about it. */
    open: (xml) => page.evaluate(open, xml),
    /** Applies a template to an element, and selects what has become of it. */
    apply: (element, template) => page.evaluate(apply, { element, template }),
    /** Writes into the fields of the selected element, by the ids of the template's properties. */
    fill: (values) => fill(page, values),
    /** The diagram's text. */
    save: () => page.evaluate(async () => (await modeler.saveXML({ format: true })).xml),
    /** What its problems panel would show. */
    lint: () => page.evaluate(lint),
  };
}

function start(templates) {
  window.modeler = new BpmnModeler({ container: "#canvas", propertiesPanel: { parent: "#properties" } });
  const refused = [];
  modeler.on("elementTemplates.errors", ({ errors }) => refused.push(...errors.map(String)));
  modeler.get("elementTemplatesLoader").setTemplates(templates);
  return refused;
}

async function open(xml) {
  const { warnings } = await modeler.importXML(xml);
  modeler.get("canvas").zoom("fit-viewport");
  return warnings.map(String);
}

function apply({ element, template }) {
  const [templates, registry] = [modeler.get("elementTemplates"), modeler.get("elementRegistry")];
  const applied = templates.applyTemplate(registry.get(element), templates.getLatest(template)[0]);
  modeler.get("selection").select(applied);
  return applied.businessObject.$type;
}

async function lint() {
  const used = modeler.get("elementRegistry").getAll().map((element) => modeler.get("elementTemplates").get(element));
  const templates = [...new Set(used.filter(Boolean))];
  const plugins = [Linting.CloudElementTemplatesLinterPlugin(templates)];
  const reports = await new Linting.Linter({ plugins }).lint(modeler.getDefinitions());
  return reports.map(({ category, id, message, rule }) => ({ category, id, message, rule }));
}

/** As a person does: opens the groups, and types. */
async function fill(page, values) {
  await page.evaluate(() => document.querySelectorAll(".bio-properties-panel-group-header:not(.open)").forEach((h) => h.click()));
  for (const [id, value] of Object.entries(values)) {
    const { label, entries } = await page.evaluate(field, id);
    const entry = page.locator(`[data-entry-id^="${entries}"]`, { has: page.getByText(label, { exact: true }) });
    const control = entry.locator("input:not([type=checkbox]), select, textarea, [role=textbox]").first();
    if (await control.evaluate((control) => control.tagName === "SELECT")) await control.selectOption(value);
    else await control.fill(value);
    await control.blur();
  }
}

/** How a field of the selected element is called, and in which group its entry is. */
function field(id) {
  const template = modeler.get("elementTemplates").get(modeler.get("selection").get()[0]);
  const { group, label } = template.properties.find((property) => property.id === id);
  return { label, entries: `custom-entry-${template.id}-${group}-` };
}
