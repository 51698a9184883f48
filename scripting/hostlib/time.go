package hostlib

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // time zones on machines that have none

	"github.com/dsengine/dsengine/engine"
	"github.com/itchyny/timefmt-go"
)

var timeModule = &Module{
	Name: "time",
	Doc:  "Times and lengths of time. A length is written \"30s\", \"5m\", \"1h30m\" or \"7d\". An hour that clocks show twice is the first of the two; one that they leave out lies as far behind the gap as it is into it: a day whose midnight is left out begins at 01:00.",
	Funcs: []*Func{
		{
			Name: "now", Doc: "Gives the time by the database's clock, in UTC.",
			Returns: "time", Effect: Read,
			Example: "time.now() > time.parse(\"2020-01-01\")  # True",
			Lua:     "time.now() > time.parse(\"2020-01-01\")  -- true",
			Do:      func(c *Call, _ *Args) (Value, error) { return c.Hook.Now(), nil },
		},
		{
			Name: "parse", Doc: "Reads a time: RFC 3339 and other ISO 8601 forms, or a format of your own.",
			Params: []Param{
				{Name: "text", Type: String, Doc: "the time"},
				{Name: "format", Type: String, Default: None, Doc: "as for strptime, such as \"%d.%m.%Y %H:%M\". %Z takes UTC, GMT, Z, and the names that timezone has at that time (CEST of Europe/Berlin); %z takes +01:00 and its like"},
				{Name: "timezone", Type: String, Default: "UTC", Doc: "the time zone, where the text has none"},
			},
			Returns: "time",
			Example: "time.parse(\"24.12.2025 18:30\", \"%d.%m.%Y %H:%M\", \"Europe/Berlin\").unix  # 1766597400",
			Lua:     "time.parse(\"24.12.2025 18:30\", \"%d.%m.%Y %H:%M\", \"Europe/Berlin\").unix  -- 1766597400",
			Do: func(_ *Call, a *Args) (Value, error) {
				loc, err := location(a.String("timezone"))
				if err != nil {
					return nil, err
				}
				if a.Given("format") {
					return parseTime(a.String("text"), a.String("format"), loc)
				}
				return parseISO(a.String("text"), loc)
			},
		},
		{
			Name: "from_unix", Doc: "Gives the time that is so many seconds after 1970-01-01T00:00:00Z.",
			Params:  []Param{{Name: "seconds", Type: Number, Doc: "seconds, with a fraction if need be"}},
			Returns: "time",
			Example: "time.from_unix(0).format(\"%Y-%m-%d\")  # \"1970-01-01\"",
			Lua:     "time.from_unix(0).format(\"%Y-%m-%d\")  -- \"1970-01-01\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				if n, ok := a.Value("seconds").(int64); ok && n < 1<<40 && n > -1<<40 {
					return inYears(time.Unix(n, 0).UTC())
				}
				whole, frac := math.Modf(a.Float("seconds"))
				if !(math.Abs(whole) < 1<<40) {
					return nil, Errorf("usage", "seconds: %v is out of range", a.Value("seconds"))
				}
				return inYears(time.Unix(int64(whole), int64(math.Round(frac*1e9))).UTC())
			},
		},
		{
			Name: "duration", Doc: "Reads a length of time, to calculate with it.",
			Params:  []Param{{Name: "text", Type: Duration, Negative: true, Doc: "such as \"90m\""}},
			Returns: "duration",
			Example: "time.duration(\"90m\").hours  # 1.5",
			Lua:     "time.duration(\"90m\").hours  -- 1.5",
			Do:      func(_ *Call, a *Args) (Value, error) { return a.Duration("text"), nil },
		},
		{
			Name: "sleep", Doc: "Waits. The hook's time-out goes on meanwhile; to wait long, end the hook by ctx.snooze.",
			Params: []Param{{Name: "d", Type: Duration, Doc: "how long"}}, Effect: Read, Same: true,
			Example: "time.sleep(\"10ms\")",
			Lua:     "time.sleep(\"10ms\")",
			Do: func(c *Call, a *Args) (Value, error) {
				return nil, c.Hook.Sleep(a.Duration("d"))
			},
		},
		{
			Name: "date", Doc: "Gives the time of a day, and an hour of it, in a time zone.",
			Params: []Param{
				{Name: "year", Type: Int, Doc: "the year"},
				{Name: "month", Type: Int, Default: int64(1), Doc: "1 to 12"},
				{Name: "day", Type: Int, Default: int64(1), Doc: "1 to 31, as the month has them"},
				{Name: "hour", Type: Int, Default: int64(0), Doc: "0 to 23"},
				{Name: "minute", Type: Int, Default: int64(0), Doc: "0 to 59"},
				{Name: "second", Type: Int, Default: int64(0), Doc: "0 to 59"},
				{Name: "timezone", Type: String, Default: "UTC", Named: true, Doc: "such as \"Europe/Berlin\""},
			},
			Returns: "time",
			Example: "time.date(2025, 12, 24, 18).format(\"%Y-%m-%d %H:%M\")  # \"2025-12-24 18:00\"",
			Lua:     "time.date(2025, 12, 24, 18).format(\"%Y-%m-%d %H:%M\")  -- \"2025-12-24 18:00\"",
			Do:      func(_ *Call, a *Args) (Value, error) { return dateOf(a) },
		},
		{
			Name: "windows", Doc: "Goes from a time to another in steps, and gives each stretch as (start, stop). The last one ends where the whole does. A unit of the calendar follows the months and the clock of the time's zone.",
			Params: []Param{
				{Name: "start", Type: Moment, Doc: "where it begins"},
				{Name: "stop", Type: Moment, Doc: "where it ends"},
				{Name: "step", Type: Any, Doc: "a length of time such as \"6h\", or a unit of the calendar: \"day\", \"week\", \"month\" or \"year\""},
			},
			Returns: "iterator of (time, time)",
			Example: "[a.format(\"%d.%m.\") for a, b in time.windows(time.parse(\"2025-01-31\"), time.parse(\"2025-04-01\"), \"month\")]  # [\"31.01.\", \"28.02.\", \"31.03.\"]",
			Lua:     "list(time.windows(time.parse(\"2025-01-31\"), time.parse(\"2025-04-01\"), \"month\"))[2][1].format(\"%d.%m.\")  -- \"28.02.\"\nfor a, b in time.windows(time.parse(\"2025-01-31\"), time.parse(\"2025-04-01\"), \"month\") do\n  log.info(a.format(\"%d.%m.\") .. \" to \" .. b.format(\"%d.%m.\"))\nend",
			Do:      func(c *Call, a *Args) (Value, error) { return c.windows(a) },
		},
		{
			Name: "trunc", Doc: "Cuts a time off to the beginning of its unit, in its own time zone. A week begins on Monday.",
			Params: []Param{
				{Name: "t", Type: Moment, Doc: "the time"},
				{Name: "unit", Type: String, Choices: units, Doc: "year, month, week, day, hour, minute or second"},
			},
			Returns: "time",
			Example: "time.trunc(time.parse(\"2025-12-24T18:30:00Z\"), \"day\").format(\"%Y-%m-%d %H:%M\")  # \"2025-12-24 00:00\"",
			Lua:     "time.trunc(time.parse(\"2025-12-24T18:30:00Z\"), \"day\").format(\"%Y-%m-%d %H:%M\")  -- \"2025-12-24 00:00\"",
			Do:      func(_ *Call, a *Args) (Value, error) { return truncate(a.Time("t"), a.String("unit")), nil },
		},
	},
}

var units = []string{"year", "month", "week", "day", "hour", "minute", "second"}

func truncate(t time.Time, unit string) time.Time {
	y, mo, d := t.Date()
	_, mi, s := t.Clock()
	switch unit {
	case "year":
		mo, d = 1, 1
	case "month":
		d = 1
	case "week":
		d -= (int(t.Weekday()) + 6) % 7
	}
	if slices.Contains(units[:4], unit) {
		return engine.Wall(time.Date(y, mo, d, 0, 0, 0, 0, time.UTC), t.Location())
	}
	// Below a day, by what is to go: a clock may show an hour twice.
	t = t.Add(-time.Duration(t.Nanosecond()))
	if unit != "second" {
		t = t.Add(-time.Duration(s) * time.Second)
	}
	if unit == "hour" {
		t = t.Add(-time.Duration(mi) * time.Minute)
	}
	return t
}

func location(name string) (*time.Location, error) {
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" || name == "" {
		return nil, Errorf("usage", "there is no time zone %q (write it like \"Europe/Berlin\")", name)
	}
	return loc, nil
}

var isoLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02",
	"2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
	"20060102T150405Z0700", "20060102T150405", "20060102",
}

// ParseMoment reads a time in one of the usual forms of ISO 8601, in UTC where it
// names no zone.
func ParseMoment(text string) (time.Time, error) { return parseISO(text, time.UTC) }

// parseISO reads the usual forms of ISO 8601, with a space for the T too.
func parseISO(text string, loc *time.Location) (time.Time, error) {
	s := strings.TrimSpace(text)
	if len(s) > 10 && s[10] == ' ' {
		s = s[:10] + "T" + strings.Replace(s[11:], " ", "", 1) // "2025-12-24 18:30 +01:00" too
	}
	for _, layout := range isoLayouts {
		if t, err := engine.ParseIn(layout, s, loc); err == nil {
			return t, nil
		}
	}
	return time.Time{}, Errorf("time.format", "%q is no time like \"2025-12-24T18:30:00Z\": give its format%s", text, engine.SuggestTimeForm(text))
}

func timeAttr(name, doc string, get func(t time.Time) int64) Attr {
	return Attr{Name: name, Type: "int", Doc: doc, Get: func(v Value) (Value, error) { return get(v.(time.Time)), nil }}
}

var timeType = &ObjectType{
	Name: "time", Doc: "A moment in a time zone, in the years 1 to 9999. Times can be compared; time + \"5m\", time - \"5m\" and time - time are possible. As JSON it is RFC 3339 text.",
	Text:    func(v Value) string { return v.(time.Time).Format(time.RFC3339Nano) },
	Compare: func(a, b Value) int { return a.(time.Time).Compare(b.(time.Time)) },
	Key:     func(v Value) string { return v.(time.Time).UTC().Format(time.RFC3339Nano) },
	Attrs: []Attr{
		timeAttr("year", "The year.", func(t time.Time) int64 { return int64(t.Year()) }),
		timeAttr("month", "1 to 12.", func(t time.Time) int64 { return int64(t.Month()) }),
		timeAttr("day", "1 to 31.", func(t time.Time) int64 { return int64(t.Day()) }),
		timeAttr("hour", "0 to 23.", func(t time.Time) int64 { return int64(t.Hour()) }),
		timeAttr("minute", "0 to 59.", func(t time.Time) int64 { return int64(t.Minute()) }),
		timeAttr("second", "0 to 59.", func(t time.Time) int64 { return int64(t.Second()) }),
		timeAttr("weekday", "1 (Monday) to 7 (Sunday).", func(t time.Time) int64 { return int64(t.Weekday()+6)%7 + 1 }),
		timeAttr("yearday", "1 to 366.", func(t time.Time) int64 { return int64(t.YearDay()) }),
		timeAttr("nanosecond", "0 to 999999999.", func(t time.Time) int64 { return int64(t.Nanosecond()) }),
		timeAttr("unix", "Whole seconds since 1970-01-01T00:00:00Z.", func(t time.Time) int64 { return t.Unix() }),
	},
	Methods: []*Func{
		{
			Name: "format", Doc: "Writes the time as strftime does.",
			Params:  []Param{{Name: "format", Type: String, Doc: "such as \"%Y-%m-%d %H:%M:%S\""}},
			Returns: "string",
			Example: "time.parse(\"2025-12-24\").format(\"%d.%m.%Y\")  # \"24.12.2025\"",
			Lua:     "time.parse(\"2025-12-24\").format(\"%d.%m.%Y\")  -- \"24.12.2025\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				if err := checkFormat(a.String("format")); err != nil {
					return nil, err
				}
				return timefmt.Format(a.Self.(time.Time), a.String("format")), nil
			},
		},
		{
			Name: "add", Doc: "Gives the time some months or days later, by the calendar and the clock of its zone. A day that the month does not have becomes its last one.",
			Params: []Param{
				{Name: "years", Type: Int, Default: int64(0), Named: true, Doc: "years, or with a minus before"},
				{Name: "months", Type: Int, Default: int64(0), Named: true, Doc: "months"},
				{Name: "weeks", Type: Int, Default: int64(0), Named: true, Doc: "weeks"},
				{Name: "days", Type: Int, Default: int64(0), Named: true, Doc: "days"},
			},
			Returns: "time",
			Example: "time.parse(\"2024-01-31\").add(months = 1).format(\"%Y-%m-%d\")  # \"2024-02-29\"",
			Lua:     "time.parse(\"2024-01-31\").add({months = 1}).format(\"%Y-%m-%d\")  -- \"2024-02-29\"",
			Do: func(_ *Call, a *Args) (Value, error) {
				const most = 1_000_000
				n := [4]int64{a.Int("years"), a.Int("months"), a.Int("weeks"), a.Int("days")}
				for _, x := range n {
					if x < -most || x > most {
						return nil, Errorf("usage", "%d is out of range", x)
					}
				}
				return inYears(engine.AddCalendar(a.Self.(time.Time), int(12*n[0]+n[1]), int(7*n[2]+n[3])))
			},
		},
		{
			Name: "in_timezone", Doc: "Gives the same moment in another time zone.",
			Params:  []Param{{Name: "timezone", Type: String, Doc: "such as \"Europe/Berlin\""}},
			Returns: "time",
			Example: "time.parse(\"2025-12-24T12:00:00Z\").in_timezone(\"Asia/Tokyo\").hour  # 21",
			Lua:     "time.parse(\"2025-12-24T12:00:00Z\").in_timezone(\"Asia/Tokyo\").hour  -- 21",
			Do: func(_ *Call, a *Args) (Value, error) {
				loc, err := location(a.String("timezone"))
				if err != nil {
					return nil, err
				}
				return inYears(a.Self.(time.Time).In(loc))
			},
		},
	},
	Binary: func(op string, a, b Value) (Value, error) {
		switch t := a.(type) {
		case time.Time:
			if u, ok := b.(time.Time); ok {
				if op == "-" {
					return between(u, t)
				}
				return nil, nil
			}
			d, ok, err := durationOf(b)
			switch {
			case err != nil:
				return nil, err
			case ok && op == "+":
				return inYears(t.Add(d))
			case ok && op == "-":
				return inYears(t.Add(-d))
			}
		default:
			d, ok, err := durationOf(a)
			if err != nil {
				return nil, err
			}
			if u, isTime := b.(time.Time); ok && isTime && op == "+" {
				return inYears(u.Add(d))
			}
		}
		return nil, nil
	},
}

// inYears gives a time that was calculated, if it is one that can be written.
func inYears(t time.Time) (Value, error) {
	if y := t.Year(); y < 1 || y > 9999 {
		return nil, Errorf("usage", "a time lies in the years 1 to 9999, not in %d", y)
	}
	return t, nil
}

// between is the length of time from u to t.
func between(u, t time.Time) (Value, error) {
	d := t.Sub(u)
	if _, err := lengthOfTime(float64(d)); err != nil {
		return nil, Errorf("usage", "%v; t.unix - u.unix gives the seconds between two times", err)
	}
	return d, nil
}

func durationAttr(name, doc string, unit time.Duration) Attr {
	return Attr{Name: name, Type: "float", Doc: doc, Get: func(v Value) (Value, error) {
		return float64(v.(time.Duration)) / float64(unit), nil
	}}
}

var durationType = &ObjectType{
	Name: "duration", Doc: "A length of time. Lengths can be added, subtracted and compared, and multiplied and divided by numbers. As JSON it is text such as \"5m\".",
	Text: func(v Value) string { return engine.FormatDuration(v.(time.Duration)) },
	Compare: func(a, b Value) int {
		return cmp.Compare(a.(time.Duration), b.(time.Duration))
	},
	Key: func(v Value) string { return engine.FormatDuration(v.(time.Duration)) },
	Attrs: []Attr{
		durationAttr("seconds", "The length in seconds.", time.Second),
		durationAttr("minutes", "The length in minutes.", time.Minute),
		durationAttr("hours", "The length in hours.", time.Hour),
		durationAttr("days", "The length in days of 24 hours.", 24*time.Hour),
	},
	Binary: func(op string, a, b Value) (Value, error) {
		d, isDuration := a.(time.Duration)
		if n, ok := asFloat(b); ok && isDuration && slices.Contains([]string{"*", "/"}, op) {
			if op == "/" && n == 0 {
				return nil, Errorf("usage", "division by zero")
			} else if op == "/" {
				n = 1 / n
			}
			return lengthOfTime(float64(d) * n)
		}
		if n, ok := asFloat(a); ok && op == "*" {
			return lengthOfTime(n * float64(b.(time.Duration)))
		}
		x, ok1, err1 := durationOf(a)
		y, ok2, err2 := durationOf(b)
		switch {
		case err1 != nil:
			return nil, err1
		case err2 != nil:
			return nil, err2
		case ok1 && ok2 && (op == "+" || op == "-"):
			if op == "-" {
				y = -y
			}
			if _, err := lengthOfTime(float64(x) + float64(y)); err != nil {
				return nil, err
			}
			return x + y, nil
		case ok1 && ok2 && op == "/" && y != 0:
			return float64(x) / float64(y), nil
		}
		return nil, nil
	},
}

// lengthOfTime is a length of time of so many nanoseconds.
func lengthOfTime(ns float64) (Value, error) {
	if !(math.Abs(ns) < math.MaxInt64) {
		return nil, Errorf("usage", "the length of time is out of range: at most 106751 days")
	}
	return time.Duration(ns), nil
}
