// The consumer that somebody would write by hand: franz-go and pgx, a transaction for each event with a row in an inbox.
//
// usage: drain BROKERS TOPIC GROUP DATABASE_URL
//
// The partitions of what was fetched are worked on side by side, each in its order. An event that the inbox has is passed over. Offsets are
// committed as franz-go does by itself, for what was handed out by the poll before: a crash repeats events, which the inbox knows. Each
// time the partitions are shared out, a line says how many came here.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

type noted struct {
	ID string `json:"id"`
	N  int64  `json:"n"`
}

func id(record *kgo.Record) string {
	for _, header := range record.Headers {
		if header.Key == "ce_id" {
			return string(header.Value)
		}
	}
	return ""
}

func handle(ctx context.Context, pool *pgxpool.Pool, record *kgo.Record) error {
	var event noted
	if err := json.Unmarshal(record.Value, &event); err != nil {
		return err
	}
	tx, err := pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	got, err := tx.Exec(ctx, "INSERT INTO peer.inbox (id) VALUES ($1) ON CONFLICT DO NOTHING", id(record))
	if err != nil || got.RowsAffected() == 0 {
		return err
	}
	const effect = "INSERT INTO peer.effects (id, n, times) VALUES ($1, $2, 1) ON CONFLICT (id) DO UPDATE SET times = effects.times + 1"
	if _, err := tx.Exec(ctx, effect, event.ID, event.N); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: drain BROKERS TOPIC GROUP DATABASE_URL")
	}
	ctx := context.Background()
	pool, err := pgxpool.New(ctx, os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	// The embedded broker answers newer ApiVersions and ListOffsets so that the client can not read them, and an empty fetch only after its
	// wait, whatever comes meanwhile: it is what ours has. With the cooperative balancer half of the partitions stay with nobody there.
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Args[1]), kgo.ConsumeTopics(os.Args[2]), kgo.ConsumerGroup(os.Args[3]),
		kgo.MaxVersions(kversion.V2_0_0()), kgo.FetchMaxWait(20*time.Millisecond), kgo.Balancers(kgo.RangeBalancer()),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			log.Print("partitions ", len(topics[os.Args[2]]))
		}))
	if err != nil {
		log.Fatal(err)
	}
	for {
		fetches := client.PollFetches(ctx)
		for _, failed := range fetches.Errors() {
			log.Print(failed.Err)
		}
		var all sync.WaitGroup
		fetches.EachPartition(func(part kgo.FetchTopicPartition) {
			all.Go(func() {
				for _, record := range part.Records {
					if err := handle(ctx, pool, record); err != nil {
						log.Fatal(err)
					}
				}
			})
		})
		all.Wait()
	}
}
