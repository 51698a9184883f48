package hostlib_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// exampleAPI answers for https://api.example.com, which the examples ask.
func exampleAPI(t *testing.T) http.RoundTripper {
	mux := http.NewServeMux()
	give := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(v)
	}
	type user struct {
		ID   int    `json:"id"`
		Name string `json:"name"`
	}
	ada := user{1, "Ada"}
	mux.HandleFunc("GET /users/1", func(w http.ResponseWriter, r *http.Request) { give(w, 200, ada) })
	mux.HandleFunc("PUT /users/1", func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "my password" {
			give(w, 401, "who are you?")
			return
		}
		give(w, 200, ada)
	})
	mux.HandleFunc("PATCH /users/1", func(w http.ResponseWriter, r *http.Request) { give(w, 200, ada) })
	mux.HandleFunc("DELETE /users/1", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("POST /users", func(w http.ResponseWriter, r *http.Request) { give(w, 201, user{3, "Grace"}) })
	mux.HandleFunc("GET /users", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("after") == "" {
			give(w, 200, map[string]any{"data": []user{ada, {2, "Grace"}}, "meta": map[string]any{"next": "/users?after=2"}})
			return
		}
		give(w, 200, map[string]any{"data": []user{{3, "Alan"}}, "meta": map[string]any{"next": nil}})
	})
	text := func(path, text string) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) })
	}
	text("/words.txt", "alpha\nbeta\n")
	text("/people.csv", "id,name\n1,Ada\n")
	text("/people.jsonl", "{\"name\": \"Ada\"}\n{\"name\": \"Grace\"}\n")
	text("/feed.xml", "<feed><entry><title>One</title></entry></feed>")
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		give(w, 200, map[string]any{"access_token": "a token", "token_type": "Bearer", "expires_in": 3600})
	})
	mux.HandleFunc("GET /private", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer a token" {
			give(w, 401, "who are you?")
			return
		}
		give(w, 200, "for you alone")
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	at, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return tripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Scheme != "https" || r.URL.Host != "api.example.com" {
			return nil, fmt.Errorf("the examples ask api.example.com, not %s", r.URL)
		}
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host = at.Scheme, at.Host
		return http.DefaultTransport.RoundTrip(out)
	})
}

// tripper is an http.RoundTripper made of a function.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
