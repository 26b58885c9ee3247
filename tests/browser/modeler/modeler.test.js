// Camunda Modeler's library, with the processes and element templates that we ship. `tests/real/modeler.rs` runs it and
// deploys what it writes into the folder EXPORTS; GENERATED is a folder of more element templates.
//
// SCREENSHOTS=FOLDER keeps pictures.

import { validateZeebe } from "@bpmn-io/element-templates-validator";
import assert from "node:assert/strict";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startModeler } from "./modeler.js";

const BPMN = fileURLToPath(new URL("../../../bpmn", import.meta.url));
const SHIPPED = join(BPMN, ".camunda/element-templates");
const { EXPORTS, GENERATED, SCREENSHOTS } = process.env;
const WAIT = "zeebe2faas.wait-for-function";

// What a person writes, where a field must be filled and has no default.
const WRITTEN = {
  "zeebe2faas.call-function": { template: "otb-extract-roi", "job-retries": "5" },
  "zeebe2faas.call-function-and-wait": {
    source: "cmdline",
    cmdline: "ExtractROI -in {{ image }} -out {{ target }} -startx 1 -starty 1 -sizex 4 -sizey 3",
    function: "otbcli",
    outputs: "out",
    timeout: "1h",
    onFailure: "error:NO_ROI",
  },
  [WAIT]: {},
  "zeebe2faas.faas-call": {
    "request-template": "otb-extract-roi",
    "request-variables": "{otb_in: image, otb_out: target, otb_startx: 1, otb_starty: 1, otb_sizex: 4, otb_sizey: 3}",
    "request-function": "otbcli",
    "request-timeout": "PT1H",
    tries: "2",
    outcome: "extracted",
  },
  "zeebe2faas.otb.ExtractROI": {
    otb_in: "=image",
    otb_out: "=target",
    otb_out_pixel: "uint16",
    otb_mode: "extent",
    otb_mode_extent_ulx: "1",
    otb_mode_extent_uly: "1",
    otb_mode_extent_lrx: "4",
    otb_mode_extent_lry: "3",
    otb_cl: '["Channel1"]',
  },
};

let shipped, generated, modeler, blank;
before(async () => {
  shipped = await templates(SHIPPED);
  generated = GENERATED ? await templates(GENERATED) : [];
  const ids = new Set(shipped.map(({ id }) => id));
  modeler = await startModeler([...shipped, ...generated.filter(({ id }) => !ids.has(id))]);
  blank = await readFile(new URL("blank.bpmn", import.meta.url), "utf8");
});
after(() => modeler?.close());

async function templates(folder) {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".json"));
  return Promise.all(files.map(async (file) => JSON.parse(await readFile(join(folder, file), "utf8"))));
}

/** A diagram with two tasks, whose process is called after a template. */
const sample = ({ id }) => blank.replaceAll('"sample"', `"${processId(id)}"`);
const processId = (id) => id.replace(/^zeebe2faas[.]/, "sample-").replaceAll(".", "-");

/** What of OTB's must be filled: in the branches of choices, only where OTB takes them by itself. */
const asked = ({ properties }) => properties.filter((property) => property.constraints?.notEmpty && isThere(property));
const isThere = ({ condition, value }) =>
  value === undefined && (condition?.allMatch ?? [condition ?? { oneOf: [""] }]).every(({ oneOf }) => oneOf?.includes(""));

test("every element template follows Camunda's schema, and the modeler takes it", () => {
  for (const template of [...shipped, ...generated]) {
    const { valid, errors } = validateZeebe(template);
    assert.ok(valid, `${template.id}: ${JSON.stringify(errors)}`);
  }
  assert.deepEqual(modeler.refused, []);
});

test("every shipped process opens without a warning, and has no problem", async () => {
  const files = (await readdir(BPMN)).filter((file) => file.endsWith(".bpmn"));
  assert.ok(files.length >= 3, files);
  for (const file of files) {
    assert.deepEqual(await modeler.open(await readFile(join(BPMN, file), "utf8")), [], file);
    assert.deepEqual(await modeler.lint(), [], file);
  }
  assert.deepEqual(modeler.complaints, []);
});

test("every shipped template, applied to a task and filled, has no problem", async () => {
  for (const template of shipped) {
    assert.deepEqual(await modeler.open(sample(template)), []);
    assert.equal(await modeler.apply("task", template.id), template.elementType.value);
    const written = WRITTEN[template.id] ?? Object.fromEntries(asked(template).map(fitting));
    await modeler.fill(written);
    if (template.properties.some(({ id, value }) => id === "message" && value)) {
      if (template.id !== WAIT) await modeler.apply("next", WAIT);
    }
    const problems = (await modeler.lint()).filter(({ category }) => category === "error");
    assert.deepEqual(problems, [], template.id);
    if (EXPORTS) await writeFile(join(EXPORTS, `${processId(template.id)}.bpmn`), await modeler.save());
  }
  assert.deepEqual(modeler.complaints, []);
});

test("an application of OTB asks for what it cannot do without, and for nothing else", async () => {
  for (const template of generated) {
    assert.deepEqual(await modeler.open(sample(template)), []);
    await modeler.apply("task", template.id);
    const problems = (await modeler.lint()).filter(({ category }) => category === "error");
    const missing = problems.filter(({ rule }) => rule === "element-templates/validate").map(({ message }) => message);
    const labels = asked(template).map(({ label }) => `${label} must not be empty.`);
    assert.deepEqual(missing.sort(), labels.sort(), template.id);
  }
  assert.deepEqual(modeler.complaints, []);
});

test("pictures for the documentation", { skip: !SCREENSHOTS }, async () => {
  await picture("modeler-otb", "zeebe2faas.otb.OrthoRectification", "Orthorectify", {
    otb_io_in: '=S3PATH + "/bundle.tif"',
    otb_io_out: '=S3PATH + "/ortho.tif"',
    otb_io_out_pixel: "uint16",
  });
  await picture("modeler-call", "zeebe2faas.call-function", "Fuse", { template: "bundle-to-perfect-sensor" });
});

function fitting({ id, feel, type }) {
  if (feel !== "required") return [id, `/data/${id}.tif`];
  return [id, type === "Text" ? '["/data/a.tif", "/data/b.tif"]' : "-1"];
}

async function picture(file, template, name, written) {
  const { page } = modeler;
  await modeler.open(blank);
  await modeler.apply("next", WAIT);
  await modeler.apply("task", template);
  await page.evaluate((name) => {
    const [registry, modeling] = [window.modeler.get("elementRegistry"), window.modeler.get("modeling")];
    modeling.updateLabel(registry.get("task"), name);
    modeling.updateLabel(registry.get("next"), "Wait for it");
  }, name);
  await modeler.fill(written);
  // What every task has is of no interest.
  const hidden = ["general", "documentation", "ElementTemplates__Template"].map((id) => `[data-group-id=group-${id}]`);
  await page.addStyleTag({ content: `${hidden}, .djs-context-pad-parent, .djs-minimap { display: none }` });
  await page.setViewportSize({ width: 1100, height: 640 });
  await page.screenshot({ path: join(SCREENSHOTS, `${file}.png`) });
}
