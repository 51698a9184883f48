package hostlib

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// maxCells bounds a table, with cells that span several counted as so many.
const maxCells = 1_000_000

// Bounds of what one cell spans; browsers have the same.
const (
	maxColSpan = 1000
	maxRowSpan = 65534
)

// htmlGrid is a table: the texts of its cells, by row and column.
type htmlGrid struct {
	rows  [][]Value
	heads int // rows at its beginning that have the names
	cells int
	over  []htmlSpan // cells that go on in the next row, by column
}

// htmlSpan is a cell that spans rows.
type htmlSpan struct {
	text Value
	left int // rows; -1: all that are left of this part of the table
}

// htmlTable is element.table.
func htmlTable(c *Call, a *Args) (Value, error) {
	e := a.Self.(*htmlNode)
	t := e.n
	if t.DataAtom != atom.Table {
		found, err := e.first(c, "table")
		if err != nil {
			return nil, err
		}
		if found == nil {
			return nil, Errorf("html.table", "there is no table in <%s>", e.name())
		}
		t = found.n
	}
	g := &htmlGrid{}
	if err := g.read(c, t); err != nil {
		return nil, err
	}
	names, named, err := c.headerOf(a.Value("header"))
	switch {
	case err != nil:
		return nil, err
	case !named:
		list := make([]Value, len(g.rows))
		for i, row := range g.rows {
			list[i] = row
		}
		return list, nil
	case names == nil && len(g.rows) > 0:
		names = g.header(nameStyles[a.String("names")])
		if err := checkNames(names); err != nil {
			return nil, Errorf("html.table", "the head of the table: %v", err)
		}
	}
	return g.dicts(names)
}

// read reads the rows of a table, not those of tables in it.
func (g *htmlGrid) read(c *Call, t *html.Node) error {
	heads, headed := true, false
	part := func(n *html.Node, head bool) error {
		g.over = nil // no cell goes on in another part
		for tr := n.FirstChild; tr != nil; tr = tr.NextSibling {
			if tr.DataAtom != atom.Tr {
				continue
			}
			if err := c.over(); err != nil {
				return err
			}
			all, any, err := g.row(tr)
			if err != nil {
				return err
			}
			headed = headed || head
			if heads = heads && (head || all && !headed); heads && any {
				g.heads++
			}
		}
		return nil
	}
	for n := t.FirstChild; n != nil; n = n.NextSibling {
		if n.DataAtom == atom.Thead || n.DataAtom == atom.Tbody || n.DataAtom == atom.Tfoot {
			if err := part(n, n.DataAtom == atom.Thead); err != nil {
				return err
			}
		}
	}
	return nil
}

// row reads a row. all says that it has nothing but <th>, any that it has cells.
func (g *htmlGrid) row(tr *html.Node) (all, any bool, err error) {
	var row []Value
	put := func(v Value) error {
		row = append(row, v)
		if g.cells++; g.cells > maxCells {
			return Errorf("html.size", "the table has more than %d cells", maxCells)
		}
		return nil
	}
	// down takes cells of the rows above.
	down := func() error {
		for len(row) < len(g.over) && g.over[len(row)].left != 0 {
			s := &g.over[len(row)]
			if s.left > 0 {
				s.left--
			}
			if err := put(s.text); err != nil {
				return err
			}
		}
		return nil
	}
	all = true
	for td := tr.FirstChild; td != nil; td = td.NextSibling {
		if td.DataAtom != atom.Td && td.DataAtom != atom.Th {
			continue
		}
		any, all = true, all && td.DataAtom == atom.Th
		if err := down(); err != nil {
			return all, any, err
		}
		text := shownText(td)
		cols, rows := span(td, "colspan", maxColSpan), span(td, "rowspan", maxRowSpan)
		if cols == 0 {
			cols = 1
		}
		for range cols {
			at := len(row)
			for len(g.over) <= at {
				g.over = append(g.over, htmlSpan{})
			}
			g.over[at] = htmlSpan{text, rows - 1}
			if err := put(text); err != nil {
				return all, any, err
			}
		}
	}
	if any || len(g.over) > 0 {
		for len(row) < len(g.over) {
			if g.over[len(row)].left != 0 {
				if err := down(); err != nil {
					return all, any, err
				}
			} else if rest := g.over[len(row):]; !goesOn(rest) {
				break
			} else if err := put(nil); err != nil {
				return all, any, err
			}
		}
	}
	if len(row) > 0 {
		g.rows = append(g.rows, row)
	}
	return all && any, len(row) > 0, nil
}

func goesOn(spans []htmlSpan) bool {
	for _, s := range spans {
		if s.left != 0 {
			return true
		}
	}
	return false
}

// span is how many rows or columns a cell spans; 0: all that are left.
func span(td *html.Node, name string, most int) int {
	s, ok := htmlAttr(td, name)
	if !ok {
		return 1
	}
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 0 {
		return 1
	}
	return min(n, most)
}

// header takes the names away from the rows.
func (g *htmlGrid) header(style func(string) string) []string {
	heads := max(1, g.heads)
	var names []string
	for _, row := range g.rows[:heads] {
		for i, v := range row {
			if i == len(names) {
				names = append(names, "")
			}
			s, _ := v.(string)
			switch {
			case s == "" || s == names[i] || strings.HasSuffix(names[i], " "+s):
			case names[i] == "":
				names[i] = s
			default:
				names[i] += " " + s
			}
		}
	}
	for i := range names {
		names[i] = style(names[i])
	}
	g.rows = g.rows[heads:]
	return names
}

// dicts are the rows by names.
func (g *htmlGrid) dicts(names []string) (Value, error) {
	list := make([]Value, len(g.rows))
	for i, row := range g.rows {
		if len(row) > len(names) {
			return nil, Errorf("html.table", "row %d of the table has %d cells, and there are %d names", i+1, len(row), len(names))
		}
		values := make([]Value, len(names))
		copy(values, row)
		list[i] = &Dict{Names: names, Values: values}
	}
	return list, nil
}
