// Durable sagas of four steps on Temporal: a request is a workflow and is answered when it has ended; each activity asks a server over HTTP.
//
// usage: temporal PORT STEPS_URL SERVER_ADDRESS
//
// GET /count tells how many workflows the server says are completed, and how many are not.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const queue = "bench"

var steps *http.Client

// Step is the activity.
func Step(ctx context.Context, url string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	reply, err := steps.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = reply.Body.Close() }()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return 0, err
	}
	if reply.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the step answers %d", reply.StatusCode)
	}
	var done struct{ N int }
	return done.N, json.Unmarshal(body, &done)
}

// Saga is the workflow.
func Saga(ctx workflow.Context, url string) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: 10 * time.Second})
	for n := 1; n <= 4; n++ {
		var done int
		if err := workflow.ExecuteActivity(ctx, Step, fmt.Sprintf("%s/%d", url, n)).Get(ctx, &done); err != nil {
			return "", err
		}
	}
	return "done", nil
}

func count(ctx context.Context, c client.Client, query string) (int64, error) {
	got, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default", Query: query})
	if err != nil {
		return 0, err
	}
	return got.Count, nil
}

func work(address string, quiet sdklog.Logger) (client.Client, error) {
	c, err := client.Dial(client.Options{HostPort: address, Logger: quiet})
	if err != nil {
		return nil, err
	}
	w := worker.New(c, queue, worker.Options{MaxConcurrentWorkflowTaskPollers: 16, MaxConcurrentActivityTaskPollers: 16})
	w.RegisterActivity(Step)
	w.RegisterWorkflow(Saga)
	if err := w.Start(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: temporal PORT STEPS_URL SERVER_ADDRESS")
	}
	port, url, address := os.Args[1], os.Args[2], os.Args[3]
	quiet := sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 256
	steps = &http.Client{Transport: transport}
	c, err := work(address, quiet)
	for end := time.Now().Add(time.Minute); err != nil && time.Now().Before(end); c, err = work(address, quiet) {
		time.Sleep(200 * time.Millisecond) // the server makes its tables and the namespace
	}
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) })
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, r *http.Request) {
		completed, err := count(r.Context(), c, "ExecutionStatus = 'Completed'")
		others, again := count(r.Context(), c, "ExecutionStatus != 'Completed'")
		if err != nil || again != nil {
			http.Error(w, fmt.Sprint(err, again), http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]int64{"completed": completed, "others": others})
	})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		var state string
		run, err := c.ExecuteWorkflow(r.Context(), client.StartWorkflowOptions{TaskQueue: queue}, Saga, url)
		if err == nil {
			err = run.Get(r.Context(), &state)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]string{"state": state})
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, mux))
}
