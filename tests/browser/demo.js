// `zeebe2faas-dev demo`, while it runs.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const target = process.env.CARGO_TARGET_DIR ?? fileURLToPath(new URL("../../target", import.meta.url));

/** Starts it; gives the address of its status page, and its end. */
export async function startDemo() {
  const output = await mkdtemp(join(tmpdir(), "zeebe2faas-demo-"));
  // Its images are small: with a report a second, most calls would tell nothing.
  const env = { ...process.env, RUNNER_PROGRESS_EVERY: "50ms" };
  const program = join(target, "debug/zeebe2faas-dev");
  const demo = spawn(program, ["demo", "--output", output], { env, stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(demo, "exit").then(([code]) => code);
  const said = [];
  const url = await new Promise((found, failed) => {
    createInterface({ input: demo.stderr }).on("line", (line) => {
      said.push(line);
      const page = line.match(/^status page: (\S+)$/);
      if (page) found(page[1]);
    });
    exited.then(
      (code) => failed(new Error(`the demo ended (${code}) before it told its page:\n${said.join("\n")}`)),
      (error) => failed(new Error(`${error.message}: \`cargo build --workspace --bins\` makes it`)),
    );
  });
  /** Waits until it has ended by itself, as it also does when a test fails, and gives its exit code. */
  const ended = async () => {
    const code = await exited;
    await rm(output, { recursive: true, force: true });
    return { code, said: said.join("\n") };
  };
  return { url, ended };
}
