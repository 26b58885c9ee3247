// What Camunda Modeler checks a diagram with, bundled for its page.

export { Linter } from "@camunda/linting";
export { CloudElementTemplatesLinterPlugin } from "bpmn-js-element-templates";
