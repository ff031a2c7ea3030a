// Prints each finished recording once, as it arrives.
//
//     npm ci --prefix examples/node
//     node examples/node/recordings.js 127.0.0.1:9092 live.recording

import { readFileSync } from "node:fs";
// A client that can read LZ4, which the relay's producer uses unless told otherwise; kafkajs can't by itself.
import { Consumer, MessagesStreamModes, stringDeserializers } from "@platformatic/kafka";
import Ajv from "ajv/dist/2020.js";

// What the topic's values fit, as `livebridge schema recording.file` prints it.
const schema = new URL("../../schemas/recording.file.schema.json", import.meta.url);
const fits = new Ajv({ validateFormats: false, allowUnionTypes: true }).compile(JSON.parse(readFileSync(schema)));

const [brokers = "127.0.0.1:9092", topic = "live.recording"] = process.argv.slice(2);
const consumer = new Consumer({
  groupId: "recordings-example-node",
  bootstrapBrokers: brokers.split(","),
  deserializers: stringDeserializers,
});

// Far more than lie between a message and its repetition; a real consumer keeps them with its results.
const MOST_IDS = 100_000;
const seen = new Set();

function handle({ headers, value }) {
  const id = headers.get("ce_id");
  // A message can come twice, with one and the same ce_id: at least once is what the topic promises.
  if (headers.get("ce_type") !== "com.tencent.css.recording.file" || seen.has(id)) return;
  seen.add(id);
  if (seen.size > MOST_IDS) seen.delete(seen.values().next().value);
  // Every field may be missing or null. Integers beyond 2^53 lose digits in JSON.parse: ids are strings, so none does.
  const recording = JSON.parse(value);
  if (!fits(recording)) console.error(`${id} doesn't fit the schema:`, fits.errors);
  const { stream_id, duration, file_size, video_url } = recording;
  console.log(
    `${stream_id || "(no stream)"}: ${duration ?? 0} s, ${file_size ?? 0} bytes, ${video_url || "(no address)"}`,
  );
}

const messages = await consumer.consume({
  topics: [topic],
  // From where the group stopped; from the beginning the first time.
  mode: MessagesStreamModes.COMMITTED,
  fallbackMode: "earliest",
  autocommit: false,
});
for await (const message of messages) {
  handle(message);
  // The offset is committed when a recording has been dealt with, not when it was fetched.
  await message.commit();
}
