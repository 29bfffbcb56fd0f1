// Sessions and their visits with net/http alone: a map behind a mutex. With `-store file` each change is appended to a file before it is
// answered, and the file is read at the start; with `-store memory` nothing is.
package main

import (
	"bufio"
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
	ID     string `json:"id,omitempty"`
	User   string `json:"user"`
	Visits int    `json:"visits"`
}

type shop struct {
	mutex    sync.Mutex
	sessions map[string]session
	file     *os.File
}

func (s *shop) save(id string, changed session) error {
	if s.file != nil {
		changed.ID = id
		line, err := json.Marshal(changed)
		if err != nil {
			return err
		}
		if _, err := s.file.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	changed.ID = ""
	s.sessions[id] = changed
	return nil
}

func (s *shop) open(path string) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var read session
		// Half a line was never acknowledged.
		if json.Unmarshal(lines.Bytes(), &read) == nil {
			id := read.ID
			read.ID = ""
			s.sessions[id] = read
		}
	}
	s.file = file
	return nil
}

func show(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(value)
}

// of calls a handler with the session that the request's cookie names.
func (s *shop) of(handle func(id string, found session) (session, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		cookie, err := r.Cookie("id")
		if err != nil {
			http.Error(w, "log in first", http.StatusUnauthorized)
			return
		}
		found, known := s.sessions[cookie.Value]
		if !known {
			http.Error(w, "log in first", http.StatusUnauthorized)
			return
		}
		if found, err = handle(cookie.Value, found); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		show(w, found)
	}
}

func (s *shop) login(w http.ResponseWriter, r *http.Request) {
	var begun session
	id := make([]byte, 16)
	if json.NewDecoder(r.Body).Decode(&begun) != nil || begun.User == "" {
		http.Error(w, "say which user", http.StatusBadRequest)
		return
	}
	begun.Visits = 0
	if _, err := rand.Read(id); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if err := s.save(hex.EncodeToString(id), begun); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "id", Value: hex.EncodeToString(id), HttpOnly: true})
	show(w, begun)
}

func main() {
	address := flag.String("listen", "127.0.0.1:8080", "where to listen")
	data := flag.String("data", ".", "the folder of the data")
	store := flag.String("store", "file", "file or memory")
	flag.Parse()
	s := &shop{sessions: map[string]session{}}
	if *store == "file" {
		if err := s.open(filepath.Join(*data, "sessions")); err != nil {
			log.Fatal(err)
		}
	}
	http.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) { show(w, struct{}{}) })
	http.HandleFunc("/login", s.login)
	http.HandleFunc("/me", s.of(func(_ string, found session) (session, error) { return found, nil }))
	http.HandleFunc("/visit", s.of(func(id string, found session) (session, error) {
		found.Visits++
		return found, s.save(id, found)
	}))
	log.Fatal(http.ListenAndServe(*address, nil))
}
