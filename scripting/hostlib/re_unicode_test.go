package hostlib

import (
	"math/rand/v2"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// matchesOf are where an expression matches in a text.
func matchesOf(t *testing.T, expression, text string) []string {
	t.Helper()
	p, err := compile(expression)
	if err != nil {
		t.Fatal(err)
	}
	all, err := p.all(&Call{}, text, -1)
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	for _, at := range all {
		found = append(found, text[at[0]:at[1]])
	}
	return found
}

// What Python 3.11 gives for [m.group() for m in re.finditer(expression, text)].
func TestClassesAreThoseOfPython(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expression, text string
		want             []string
	}{
		{`\w+`, "Größe 12 m²", []string{"Größe", "12", "m²"}},
		{`\w+`, "naïve_Ωmega Привет 東京 ½ Ⅷ", []string{"naïve_Ωmega", "Привет", "東京", "½", "Ⅷ"}},
		{`\w+`, "Gro\u0308ße", []string{"Gro", "ße"}},
		{`[\w\pM]+`, "Gro\u0308ße", []string{"Gro\u0308ße"}},
		{`\W+`, "é—ü €", []string{"—", " €"}},
		{`[^\W\d]+`, "é1ü٣z_ €", []string{"é", "ü", "z_"}},
		{`[\W]+`, "é—ü €\u0301", []string{"—", " €\u0301"}},
		{`[\W\d-]+`, "é-ü٣—a", []string{"-", "٣—"}},
		{`(?i)[\W]+`, "ιé,Ιſ.", []string{",", "."}},
		{`[^\w\s]+`, "é,\u00a0«ü»", []string{",", "«", "»"}},
		{`[\w-]+`, "über-groß ä+ö", []string{"über-groß", "ä", "ö"}},
		{`[\w.-]+@[\w-]+`, "jörg.m@büro-ost", []string{"jörg.m@büro-ost"}},
		{`[]\w]+`, "é]ü[", []string{"é]ü"}},
		{`[^]\w]+`, "é]ü[", []string{"["}},
		{`[[:alpha:]\d]+`, "aé٣b", []string{"a", "٣b"}},
		{`\d+`, "7 ٣٤ १ ²½", []string{"7", "٣٤", "१"}},
		{`\D+`, "é٣ü²", []string{"é", "ü²"}},
		{`[\D]+`, "é٣ü²", []string{"é", "ü²"}},
		{`[^\D]+`, "é٣ü²", []string{"٣"}},
		{`\s+`, "a\u00a0b\u3000 c\u2028d\u0085e\u200bf\u1680g", []string{"\u00a0", "\u3000 ", "\u2028", "\u0085", "\u1680"}},
		{`\s+`, "a\vb\x1cc\x1fd\fe\x1bf", []string{"\v", "\x1c", "\x1f", "\f"}},
		{`\S+`, "a\u00a0é\vb\x1cc", []string{"a", "é", "b", "c"}},
		{`[\S]+`, "a\u00a0é\u2003€\vb\x1cc", []string{"a", "é", "€", "b", "c"}},
		{`[\S]+`, "a\vb\x1cc d", []string{"a", "b", "c", "d"}},
		{`[^\S\n]+`, "é\u00a0\n\u2009b", []string{"\u00a0", "\u2009"}},
		{`\b\w`, "élan über größe", []string{"é", "ü", "g"}},
		{`\bb\b`, "éb b bü (b)", []string{"b", "b"}},
		{`\Bn`, "én n nn", []string{"n", "n"}},
		{`ü\b.|\bä`, "ü, üü äü", []string{"ü,", "ü ", "ä"}},
		{`(?a)\w+`, "Größe", []string{"Gr", "e"}},
		{`(?ai)G\w+`, "größe Große", []string{"gr", "Gro"}},
		{`(?a)\bb\b`, "éb b", []string{"b", "b"}},
		{`(?a)\s`, "a\vb\u00a0c\x1cd", []string{"\v"}},
		{`(?a)[\S]+`, "a\vb\u00a0c\x1cd", []string{"a", "b\u00a0c\x1cd"}},
		{`(?a)\d\b`, "3٣ 3é", []string{"3", "3"}},
		{`a$`, "a\n", []string{"a"}},
		{`a$`, "a\n\n", []string{}},
		{`a\n$`, "a\n\n", []string{"a\n"}},
		{`\w+\Z`, "a\n", []string{}},
		{`\w+\Z`, "aé", []string{"aé"}},
		{`$`, "é\n", []string{"", ""}},
		{`(?m)\w+$`, "é\nb\n", []string{"é", "b"}},
		{`(?m:\w+$)|,$`, "é\n,\n", []string{"é", ","}},
		{`^\w+ (\w+|\$[$])$`, "ü $$\n", []string{"ü $$"}},
		{`(?a)\bé$`, "zé\n", []string{"é"}},
		{`\Q\w$[\E\w`, `\w$[ü`, []string{`\w$[ü`}},
		{`\\w`, `é\w`, []string{`\w`}},
		{`[\\w]+`, `é\w`, []string{`\w`}},
	} {
		if got := matchesOf(t, c.expression, c.text); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s in %q: got %q, want %q", c.expression, c.text, got, c.want)
		}
	}
}

// Where a match has to be makes no other classes.
func TestAnchoredMatchesKnowAllLetters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expression, text string
		anchor           int
		want             []int
	}{
		{`\w+`, "über all", atStart, []int{0, 5}},
		{`\w+|.+`, "über all", whole, []int{0, 9}},
		{`\w+`, "über all", whole, nil},
		{`\b(\w+)\b`, "über", whole, []int{0, 5, 0, 5}},
		{`a|\w+$`, "aé\n", atStart, []int{0, 1}},
		{`a$`, "a\n", atStart, []int{0, 1}},
		{`a$`, "a\n", whole, nil},
		{`\bx`, "éx", anywhere, nil},
	} {
		p, err := compile(c.expression)
		if err != nil {
			t.Fatal(err)
		}
		m, err := p.first(&Call{}, c.anchor, c.text)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		if m != nil {
			got = m.(*reMatch).at
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s in %q, %d: got %v, want %v", c.expression, c.text, c.anchor, got, c.want)
		}
	}
}

// anExpression is one of all that the programs may disagree about.
func anExpression(random *rand.Rand, deep int) string {
	leaves := []string{"a", "b", "é", " ", `\w`, `\W`, `\d`, `\D`, `\s`, `\S`, ".", `[\w.]`, `[^\d-]`, `[\Wa]`, `[^\W\s]`, `[\S]`, `[a-c\D]`, "^", "(?m:$)", `\z`, "(?i:É)", "", `\A`, "(?m:^)", `\b`, `\B`, "$"}
	if deep == 0 {
		return leaves[random.IntN(len(leaves))]
	}
	sub := func() string { return anExpression(random, deep-1) }
	switch random.IntN(6) {
	case 0:
		return "(?:" + sub() + "|" + sub() + ")"
	case 1:
		return "(" + sub() + ")" + []string{"*", "+", "?", "{0,2}", "*?", "+?", "??"}[random.IntN(7)]
	case 2:
		return "(" + sub() + ")"
	}
	return sub() + sub()
}

func aText(random *rand.Rand, pieces []string) string {
	var b strings.Builder
	for range random.IntN(12) {
		b.WriteString(pieces[random.IntN(len(pieces))])
	}
	return strings.TrimRight(b.String(), "\n")
}

// The programs agree where they may: all on ASCII, with package regexp, and those
// without \b on all other texts, too.
func TestProgramsOfAnExpressionAgree(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	compared := 0
	for range 1500 {
		expression := anExpression(random, 3)
		p, err := compile(expression)
		if err != nil {
			t.Fatal(err)
		}
		plain := regexp.MustCompile(expression)
		var by [programs]searcher
		for i := range by {
			if by[i], err = p.compiled(anywhere, i); err != nil {
				t.Fatalf("%s: %v", expression, err)
			}
		}
		agree := func(text string, programs ...searcher) {
			want := programs[0].FindAllStringSubmatchIndex(text, -1)
			if len(want) > 0 {
				compared++
			}
			for i, s := range programs[1:] {
				if got := s.FindAllStringSubmatchIndex(text, -1); !reflect.DeepEqual(got, want) {
					t.Fatalf("%s in %q: program %d of %T has %v, want %v", expression, text, i, s, got, want)
				}
				want, got := programs[0].FindStringSubmatchIndex(text), s.FindStringSubmatchIndex(text)
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("%s in %q: program %d of %T has %v first, want %v", expression, text, i, s, got, want)
				}
			}
		}
		for range 8 {
			agree(aText(random, []string{"a", "b", "ab", "7", " ", "\n", "_", "-", ".", "K"}), plain, by[plainProgram], by[unicodeProgram], by[machineProgram])
			if !p.boundary {
				agree(aText(random, []string{"a", "é", "É", "٣", " ", "\n", "\u00a0", "-", "\xff", "東", "\u0301", "\v"}), by[unicodeProgram], by[machineProgram])
			}
		}
	}
	if compared < 5000 {
		t.Errorf("only %d texts had matches", compared)
	}
}

// A complement that is written out has all that the class does not have, but U+0345,
// and in any case nothing that it has.
func TestComplementsAreWhole(t *testing.T) {
	t.Parallel()
	for _, letter := range []string{"w", "d", "s"} {
		by := func(expression string) *regexp.Regexp {
			text, _ := unicodeClasses().written(expression)
			return regexp.MustCompile(text)
		}
		class, rest := by(`[\`+letter+`]`), by(`[\`+strings.ToUpper(letter)+`]`)
		folded := by(`(?i)[\` + strings.ToUpper(letter) + `]`)
		for r := rune(0); r <= unicode.MaxRune; r++ {
			if r > 0x33000 && r>>12 != 0xE0 { // nothing is assigned there: some of them will do
				r += 100
			}
			s := string(r)
			if in := class.MatchString(s); in == rest.MatchString(s) && r != 0x345 || in && folded.MatchString(s) {
				t.Fatalf("%q: in both or neither of \\%s and its complement", r, letter)
			}
		}
	}
}

func BenchmarkReadingExpressions(b *testing.B) {
	for _, expression := range []string{`(\w+)@(\w+)`, `(?a)(\w+)@(\w+)`} {
		b.Run(expression, func(b *testing.B) {
			for b.Loop() {
				clear(compiled.by)
				p, err := compile(expression)
				if err == nil {
					_, err = p.first(&Call{}, anywhere, "jürgen@köln")
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkExpressions(b *testing.B) {
	for name, text := range map[string]string{
		"ascii":   strings.Repeat("the size of it, 12 m ", 5000),
		"unicode": strings.Repeat("die Größe davon, 12 m", 5000),
	} {
		for _, expression := range []string{`\w+`, `\b\w+\b`, `(\d+) (\w)`} {
			b.Run(name+"/"+expression, func(b *testing.B) {
				p, err := compile(expression)
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					if _, err := p.all(&Call{}, text, -1); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
