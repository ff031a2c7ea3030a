// Prints each finished recording once, as it arrives.
//
//	cd examples/go && go run . 127.0.0.1:9092 live.recording
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Far more than lie between a message and its repetition; a real consumer keeps them with its results.
const mostIDs = 100_000

// Every field may be missing or null: both leave the zero value.
type recording struct {
	StreamID string `json:"stream_id"`
	Duration int64  `json:"duration"`
	FileSize int64  `json:"file_size"`
	VideoURL string `json:"video_url"`
}

func main() {
	brokers, topic := argument(1, "127.0.0.1:9092"), argument(2, "live.recording")
	// What the topic's values fit, as `livebridge schema recording.file` prints it.
	schema := jsonschema.NewCompiler().MustCompile("../../schemas/recording.file.schema.json")
	client, err := kgo.NewClient(
		kgo.SeedBrokers(brokers),
		kgo.ConsumerGroup("recordings-example-go"),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		// The offset is committed when a recording has been dealt with, not when it was fetched.
		kgo.AutoCommitMarks(),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	seen, order := map[string]bool{}, []string{}
	for {
		fetches := client.PollFetches(context.Background())
		fetches.EachError(func(topic string, _ int32, err error) { log.Printf("%s: %v", topic, err) })
		fetches.EachRecord(func(record *kgo.Record) {
			defer client.MarkCommitRecords(record)
			id := header(record, "ce_id")
			// A message can come twice, with one and the same ce_id: at least once is what the topic promises.
			if header(record, "ce_type") != "com.tencent.css.recording.file" || seen[id] {
				return
			}
			seen[id], order = true, append(order, id)
			if len(order) > mostIDs {
				delete(seen, order[0])
				order = order[1:]
			}
			handle(schema, id, record.Value)
		})
	}
}

func handle(schema *jsonschema.Schema, id string, value []byte) {
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err == nil {
		err = schema.Validate(instance)
	}
	if err != nil {
		log.Printf("%s doesn't fit the schema: %v", id, err)
	}
	var r recording
	if err := json.Unmarshal(value, &r); err != nil {
		log.Printf("%s is no recording: %v", id, err)
		return
	}
	fmt.Printf("%s: %d s, %d bytes, %s\n",
		cmp.Or(r.StreamID, "(no stream)"), r.Duration, r.FileSize, cmp.Or(r.VideoURL, "(no address)"))
}

func header(record *kgo.Record, name string) string {
	for _, header := range record.Headers {
		if header.Key == name {
			return string(header.Value)
		}
	}
	return ""
}

func argument(at int, otherwise string) string {
	if len(os.Args) > at {
		return os.Args[at]
	}
	return otherwise
}
