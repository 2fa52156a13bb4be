// The small service that somebody would write by hand: net/http, go-redis, golang-jwt, pgx.
//
// usage: service PORT UPSTREAM_PORT REDIS_PORT JWT_KEY DATABASE_URL
//
// /static answers JSON of a struct, /proxy/... hands on to the upstream, /items/{id} checks a token (once, then known for five seconds), counts
// for the limit and reads the item, in one round trip to Redis; what is not there is read from PostgreSQL. /rows/{id} reads the item from
// PostgreSQL alone.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

type item struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	PriceCents  int64  `json:"price_cents"`
}

type verified struct {
	subject string
	until   time.Time
}

type server struct {
	key   []byte
	redis *redis.Client
	pool  *pgxpool.Pool
	known sync.Map
}

func (s *server) subject(header string) (string, bool) {
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return "", false
	}
	if held, ok := s.known.Load(token); ok && time.Now().Before(held.(verified).until) {
		return held.(verified).subject, true
	}
	claims := jwt.RegisteredClaims{}
	_, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return s.key, nil }, jwt.WithValidMethods([]string{"HS256"}))
	if err != nil {
		return "", false
	}
	s.known.Store(token, verified{claims.Subject, time.Now().Add(5 * time.Second)})
	return claims.Subject, true
}

func (s *server) item(w http.ResponseWriter, r *http.Request) {
	who, ok := s.subject(r.Header.Get("Authorization"))
	if !ok {
		http.Error(w, `{"title":"The token is not valid"}`, http.StatusUnauthorized)
		return
	}
	id := r.PathValue("id")
	window := fmt.Sprintf("limit:%s:%d", who, time.Now().Unix())
	pipe := s.redis.Pipeline()
	count := pipe.Incr(r.Context(), window)
	cached := pipe.Get(r.Context(), "peer:items:"+id)
	if _, err := pipe.Exec(r.Context()); err != nil && err != redis.Nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if count.Val() == 1 {
		s.redis.Expire(r.Context(), window, 2*time.Second)
	}
	if count.Val() > 1000000 {
		http.Error(w, `{"title":"Too many requests"}`, http.StatusTooManyRequests)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if text, err := cached.Result(); err == nil {
		w.Header().Set("X-Cache", "hit")
		_, _ = w.Write([]byte(text))
		return
	}
	if body := s.row(w, r, id); body != nil {
		s.redis.Set(r.Context(), "peer:items:"+id, body, 24*time.Hour)
	}
}

// Answers with the row of that key; nil when there is none.
func (s *server) row(w http.ResponseWriter, r *http.Request, id string) []byte {
	var found item
	row := s.pool.QueryRow(r.Context(), "SELECT id, name, description, price_cents FROM items WHERE id = $1", id)
	if err := row.Scan(&found.ID, &found.Name, &found.Description, &found.PriceCents); err != nil {
		http.Error(w, `{"title":"There is no such item"}`, http.StatusNotFound)
		return nil
	}
	body, _ := json.Marshal(found)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body)
	return body
}

func main() {
	port, upstream, redisPort, key, database := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	pool, err := pgxpool.New(context.Background(), database)
	if err != nil {
		log.Fatal(err)
	}
	s := &server{key: []byte(key), pool: pool, redis: redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + redisPort})}
	target, _ := url.Parse("http://127.0.0.1:" + upstream)
	proxy := httputil.NewSingleHostReverseProxy(target)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 256
	proxy.Transport = transport
	fixed := item{"item-1", "An item", "What is said of it, in a line of its own", 4900}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /static", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		body, _ := json.Marshal(fixed)
		_, _ = w.Write(body)
	})
	mux.HandleFunc("GET /items/{id}", s.item)
	mux.HandleFunc("GET /rows/{id}", func(w http.ResponseWriter, r *http.Request) { s.row(w, r, r.PathValue("id")) })
	mux.Handle("/proxy/", proxy)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, mux))
}
