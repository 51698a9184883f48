package scripting_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dsengine/dsengine/engine"
	"github.com/dsengine/dsengine/scripting/internal/world"
)

// airportsAPI serves the airports of the sample data, and more, as the importer
// airports_api wants them.
type airportsAPI struct {
	airports []map[string]any // by id
	asked    []string         // the values of after
	failures int              // so many requests for what follows failAt fail
	failAt   string
}

func newAirportsAPI(t *testing.T) *airportsAPI {
	t.Helper()
	f, err := os.Open("../testdata/airports.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	api := &airportsAPI{}
	for _, row := range rows[1:] {
		a := map[string]any{}
		for i, name := range rows[0] {
			a[name] = row[i]
			switch n, err := strconv.ParseFloat(row[i], 64); {
			case slices.Contains([]string{"id", "latitude_deg", "longitude_deg", "elevation_ft"}, name) && err == nil:
				a[name] = n
			case row[i] == "":
				a[name] = nil
			}
		}
		api.airports = append(api.airports, a)
	}
	slices.SortFunc(api.airports, func(a, b map[string]any) int { return int(a["id"].(float64) - b["id"].(float64)) })
	return api
}

func (api *airportsAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	after := r.URL.Query().Get("after")
	api.asked = append(api.asked, after)
	if api.failures > 0 && after == api.failAt {
		api.failures--
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	last, _ := strconv.ParseFloat(after, 64)
	page := []map[string]any{}
	for _, a := range api.airports {
		if a["id"].(float64) > last && len(page) < 500 {
			page = append(page, a)
		}
	}
	out := map[string]any{"data": page, "cursor": nil}
	if len(page) == 500 {
		out["cursor"] = page[499]["id"]
	}
	json.NewEncoder(w).Encode(out)
}

func TestPagesOfAnAPIAreImportedOnce(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	shipped(t, w)
	api := newAirportsAPI(t)
	s := httptest.NewServer(api)
	t.Cleanup(s.Close)
	payload := fmt.Sprintf(`{"url": "%s/airports"}`, s.URL)

	// The server fails so often that an attempt fails too: the next one goes on.
	api.failAt, api.failures = fmt.Sprint(api.airports[1999]["id"]), 4
	j := w.Do("airports_api", payload)
	if j.Status != engine.StatusCompleted || j.Stats["read"] != int64(len(api.airports)) {
		t.Fatalf("got %s, %v, %+v", j.Status, j.Stats, j.Error)
	}
	if logs := strings.Join(w.Logs(j.ID), "\n"); strings.Count(logs, "trying again") != 3 || !strings.Contains(logs, `the attempt failed, another one goes on after it {"after":4268,`) {
		t.Errorf("got\n%s", logs)
	}
	want := []string{""}
	for i := 499; i < len(api.airports); i += 500 {
		want = append(want, fmt.Sprint(api.airports[i]["id"]))
		if i == 1999 {
			want = append(want, want[len(want)-1], want[len(want)-1], want[len(want)-1], want[len(want)-1])
		}
	}
	if !slices.Equal(api.asked, want) {
		t.Errorf("asked after %s\nwant %s", strings.Join(api.asked, " "), strings.Join(want, " "))
	}
	if got := w.Query("SELECT count(*), count(elevation_ft), min(id) FROM airports_api"); got != fmt.Sprintf("5210|5034|%v\n", api.airports[0]["id"]) {
		t.Errorf("got %s", got)
	}
	if got := w.Query("SELECT name, iso_country, latitude_deg, elevation_ft FROM airports_api WHERE ident = 'CYVR'"); got != "Vancouver International Airport|CA|49.193901062|14\n" {
		t.Errorf("got %s", got)
	}

	// The next job asks for what is new.
	last := fmt.Sprint(api.airports[len(api.airports)-1]["id"])
	for range 2 {
		api.asked = nil
		if j := w.Do("airports_api", payload); j.Status != engine.StatusCompleted || !slices.Equal(api.asked, []string{last}) {
			t.Errorf("got %s, asked after %v, want %s; %+v", j.Status, api.asked, last, j.Error)
		}
	}
	api.airports = append(api.airports, map[string]any{"id": float64(10_000_000), "ident": "XNEW", "name": "New", "iso_country": "NL", "latitude_deg": 52, "longitude_deg": 4.5})
	if j := w.Do("airports_api", payload); j.Stats["inserted"] != 1 || w.Query("SELECT latitude_deg FROM airports_api WHERE ident = 'XNEW'") != "52\n" {
		t.Errorf("got %v, %+v", j.Stats, j.Error)
	}

	// Without an address it says what to do.
	if j := w.Do("airports_api", "null"); j.Error == nil || !strings.Contains(j.Error.Message, "set the variable airports_api") {
		t.Errorf("got %+v", j.Error)
	}
}
