// Relays lines to a Flumen daemon and back, over Node's own WebSocket: each line becomes a text frame, each text frame a line.
//
//     node --experimental-websocket relay.mjs ws://127.0.0.1:8653/v1/ws
//
// Closes the connection when its input ends. From Node 22 on the option is not needed any more.
import { createInterface } from "node:readline";

const socket = new WebSocket(process.argv[2], "flumen.v1.json");
socket.addEventListener("message", ({ data }) => console.log(data));
socket.addEventListener("error", ({ message }) => {
  console.error(message);
  process.exitCode = 1;
});
socket.addEventListener("open", async () => {
  for await (const line of createInterface({ input: process.stdin })) socket.send(line);
  socket.close();
});
