// Relays lines to a Flumen daemon and back, over the WebSocket of a page in headless Chromium: the page's script sends each
// line as a text frame, and each text frame becomes a line.
//
//     node relay-page.mjs http://127.0.0.1:8000 ws://127.0.0.1:8653/v1/ws
//
// The first argument is the origin of the page, which this program serves. Closes the browser when its input ends; exits 1
// when the daemon does not let the page in.
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const require = createRequire(new URL("../../.node/", import.meta.url));
const { chromium } = require("playwright-core");
const [origin, daemon] = process.argv.slice(2);

const server = createServer((_, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end("<!doctype html><title>A client of Flumen</title>");
});
await new Promise((listening) => server.listen(new URL(origin).port, "127.0.0.1", listening));
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
try {
  const page = await browser.newPage();
  await page.exposeFunction("print", (line) => console.log(line));
  await page.goto(origin);
  await page.evaluate(
    (address) =>
      new Promise((open, refused) => {
        window.socket = new WebSocket(address, "flumen.v1.json");
        socket.onopen = open;
        socket.onerror = () => refused(new Error("the daemon does not let the page in"));
        socket.onmessage = ({ data }) => print(data);
      }),
    daemon,
  );
  for await (const line of createInterface({ input: process.stdin })) await page.evaluate((text) => socket.send(text), line);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await browser.close();
  server.close();
}
