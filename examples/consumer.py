#!/usr/bin/env python3
"""Prints each finished recording once, as it arrives.

    pip install -r examples/requirements.txt
    python3 examples/consumer.py 127.0.0.1:9092 live.recording
"""

import json
import sys
from collections import OrderedDict
from pathlib import Path

from confluent_kafka import Consumer
from jsonschema import Draft202012Validator

# What the topic's values fit, as `livebridge schema recording.file` prints it.
SCHEMA = Path(__file__).parent.parent / "schemas" / "recording.file.schema.json"
FITS = Draft202012Validator(json.loads(SCHEMA.read_text()))

# Far more than lie between a message and its repetition; a real consumer keeps them with its results.
MOST_IDS = 100_000


def main(brokers="127.0.0.1:9092", topic="live.recording"):
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "recordings-example-python",
            "auto.offset.reset": "earliest",
            # The offset is stored when a recording has been dealt with, not when it was fetched.
            "enable.auto.offset.store": False,
        }
    )
    consumer.subscribe([topic])
    seen = OrderedDict()
    try:
        while True:
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error():
                # The client mends its connections by itself.
                print(message.error(), file=sys.stderr)
                continue
            handle(message, seen)
            consumer.store_offsets(message)
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()


def handle(message, seen):
    headers = {name: value.decode() for name, value in message.headers() or []}
    ce_id = headers.get("ce_id")
    # A message can come twice, with one and the same ce_id: at least once is what the topic promises.
    if headers.get("ce_type") != "com.tencent.css.recording.file" or ce_id in seen:
        return
    seen[ce_id] = True
    if len(seen) > MOST_IDS:
        seen.popitem(last=False)
    # Every field may be missing or null; what the sender sends is in the event's schema.
    recording = json.loads(message.value())
    for fault in FITS.iter_errors(recording):
        print(f"{ce_id} doesn't fit the schema: {fault.json_path}: {fault.message}", file=sys.stderr)
    print(
        f"{recording.get('stream_id') or '(no stream)'}: {recording.get('duration') or 0} s, "
        f"{recording.get('file_size') or 0} bytes, {recording.get('video_url') or '(no address)'}",
        flush=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
