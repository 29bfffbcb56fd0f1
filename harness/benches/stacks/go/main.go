// A counter for each user with net/http. A map behind a mutex, written to a file after each change.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"sync"
)

type session struct {
	User  string `json:"user"`
	Count int    `json:"count"`
}

var (
	mu       sync.Mutex
	sessions = map[string]*session{}
	file     string
)

func save() {
	data, _ := json.Marshal(sessions)
	os.WriteFile(file+".new", data, 0o600)
	os.Rename(file+".new", file)
}

func reply(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(value)
}

func withSession(handle func(http.ResponseWriter, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		cookie, err := r.Cookie("session_id")
		if err != nil || sessions[cookie.Value] == nil {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		handle(w, sessions[cookie.Value])
	}
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "where to listen")
	data := flag.String("data", ".", "folder of the data")
	flag.Parse()
	file = filepath.Join(*data, "sessions.json")
	if text, err := os.ReadFile(file); err == nil {
		json.Unmarshal(text, &sessions)
	}
	http.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok")) })
	http.HandleFunc("/api/login", func(w http.ResponseWriter, r *http.Request) {
		var body struct{ User string }
		if json.NewDecoder(r.Body).Decode(&body) != nil || body.User == "" {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		id := make([]byte, 16)
		rand.Read(id)
		mu.Lock()
		defer mu.Unlock()
		sessions[hex.EncodeToString(id)] = &session{User: body.User}
		save()
		http.SetCookie(w, &http.Cookie{Name: "session_id", Value: hex.EncodeToString(id), Path: "/", HttpOnly: true})
		reply(w, map[string]string{"welcome": body.User})
	})
	http.HandleFunc("/api/count", withSession(func(w http.ResponseWriter, s *session) {
		s.Count++
		save()
		reply(w, s)
	}))
	http.HandleFunc("/api/me", withSession(func(w http.ResponseWriter, s *session) { reply(w, s) }))
	log.Fatal(http.ListenAndServe(*addr, nil))
}
