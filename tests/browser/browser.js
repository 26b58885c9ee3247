// Debian's Chromium, with a profile of its own, and what it complains about.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Starts it; gives a page, the list of what went wrong in it so far, and how to close it. */
export async function startBrowser() {
  const profile = await mkdtemp(join(tmpdir(), "zeebe2faas-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    // Root and containers have none, and it is our own page.
    chromiumSandbox: false,
    args: FLAGS,
    viewport: { width: 1280, height: 720 },
  });
  const [page] = context.pages();
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`exception: ${error}`));
  page.on("response", (response) => {
    if (response.status() >= 400) complaints.push(`${response.url()}: ${response.status()}`);
  });
  const violated = (directive, uri) => complaints.push(`content security policy: ${directive} ${uri}`);
  await context.exposeFunction("violated", violated);
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => violated(event.effectiveDirective, event.blockedURI));
  });
  const close = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { page, complaints, close };
}
