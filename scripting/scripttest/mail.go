package scripttest

import (
	"bytes"
	"errors"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"

	"github.com/dsengine/dsengine/scripting/hostlib"
)

// mailHost is where the mail server of tests is.
const mailHost = "mail.test"

// office is the mail server of a test: scripts send by it what notify.email sends.
type office struct {
	server *smtp.Server
	lines  *pipes

	mu      sync.Mutex
	sent    []*letter
	refused map[string]bool // addresses, in lower case
}

// ObjectType is test_mail.
func (*office) ObjectType() *hostlib.ObjectType { return mailType }

// letter is a mail that was sent.
type letter struct {
	id, from, subject string
	to                []string
	text, html        string
	times             int
}

// ObjectType is test_letter.
func (*letter) ObjectType() *hostlib.ObjectType { return letterType }

var mailType = &hostlib.ObjectType{
	Name: "test_mail", Doc: "The mail server of a test: it takes what notify.email sends, and sends nothing on.",
	Attrs: []hostlib.Attr{
		{Name: "sent", Type: "list of test_letter", Doc: "The mails that were sent, in order. One that came again with the same id, as it does when a hook runs again after a crash, is there once.", Get: func(v hostlib.Value) (hostlib.Value, error) {
			o := v.(*office)
			o.mu.Lock()
			defer o.mu.Unlock()
			list := []hostlib.Value{}
			for _, l := range o.sent {
				list = append(list, l)
			}
			return list, nil
		}},
	},
	Methods: []*hostlib.Func{
		method("refuse", "Has the server refuse mail to an address for good, so that notify.email fails with mail.refused.", "t.mail.refuse(\"ada@example.com\")", "t.mail.refuse(\"ada@example.com\")",
			[]param{{Name: "address", Type: hostlib.String, Doc: "the address"}}, "",
			func(_ *hostlib.Call, o *office, a *hostlib.Args) (hostlib.Value, error) {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.refused[strings.ToLower(a.String("address"))] = true
				return nil, nil
			}),
	},
}

func letterAttr(name, typ, doc string, get func(l *letter) hostlib.Value) hostlib.Attr {
	return hostlib.Attr{Name: name, Type: typ, Doc: doc, Get: func(v hostlib.Value) (hostlib.Value, error) { return get(v.(*letter)), nil }}
}

var letterType = &hostlib.ObjectType{
	Name: "test_letter", Doc: "A mail that was sent.", Record: true,
	Text: func(v hostlib.Value) string { return strings.Join(v.(*letter).to, ", ") + ": " + v.(*letter).subject },
	Attrs: []hostlib.Attr{
		letterAttr("to", "list of string", "The addresses that it went to.", func(l *letter) hostlib.Value {
			list := []hostlib.Value{}
			for _, a := range l.to {
				list = append(list, a)
			}
			return list
		}),
		letterAttr("sender", "string", "The address that it came from.", func(l *letter) hostlib.Value { return l.from }),
		letterAttr("subject", "string", "Its subject.", func(l *letter) hostlib.Value { return l.subject }),
		letterAttr("text", "string", "Its text.", func(l *letter) hostlib.Value { return l.text }),
		letterAttr("html", "string", "Its text as HTML, empty if it has none.", func(l *letter) hostlib.Value { return l.html }),
		letterAttr("times", "int", "How often it came.", func(l *letter) hostlib.Value { return int64(l.times) }),
	},
}

// newOffice opens a mail server.
func newOffice() *office {
	o := &office{refused: map[string]bool{}, lines: newPipes()}
	o.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &counter{office: o}, nil }))
	o.server.Domain, o.server.ErrorLog = mailHost, log.New(io.Discard, "", 0)
	go func() { _ = o.server.Serve(o.lines) }() // it ends with the listener
	return o
}

// settings are how scripts send mail by it.
func (o *office) settings() *hostlib.Mail {
	return &hostlib.Mail{Host: mailHost, From: "dsengine <dsengine@" + mailHost + ">", TLS: "none"}
}

func (o *office) close() error { return errors.Join(o.lines.Close(), o.server.Close()) }

// pipes is a listener for lines within the process.
type pipes struct {
	waiting chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

// newPipes listens. One line may wait until it is taken.
func newPipes() *pipes { return &pipes{waiting: make(chan net.Conn, 1), closed: make(chan struct{})} }

// dial makes a line to whoever listens.
func (p *pipes) dial() (net.Conn, error) {
	select {
	case <-p.closed:
		return nil, net.ErrClosed
	default:
	}
	near, far := net.Pipe()
	select {
	case p.waiting <- far:
		select {
		case <-p.closed:
			p.drain()
		default:
		}
		return near, nil
	case <-p.closed:
		return nil, errors.Join(net.ErrClosed, near.Close(), far.Close())
	}
}

// Accept takes the next line.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.waiting:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close ends the listening.
func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	p.drain()
	return nil
}

// drain closes lines that nobody takes any more.
func (p *pipes) drain() {
	for {
		select {
		case c := <-p.waiting:
			c.Close()
		default:
			return
		}
	}
}

// Addr is of nowhere.
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 25), Port: 25} }

// counter is a session with the mail server.
type counter struct {
	office *office
	from   string
	to     []string
}

// Mail begins a mail.
func (c *counter) Mail(from string, _ *smtp.MailOptions) error {
	c.from, c.to = from, nil
	return nil
}

// Rcpt adds an address.
func (c *counter) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.office.mu.Lock()
	defer c.office.mu.Unlock()
	if c.office.refused[strings.ToLower(to)] {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "the test has said that nobody is there"}
	}
	c.to = append(c.to, to)
	return nil
}

// Data takes what the mail says.
func (c *counter) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	l, err := readLetter(data)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "it cannot be read: " + err.Error()}
	}
	l.from, l.to = c.from, c.to
	c.office.mu.Lock()
	defer c.office.mu.Unlock()
	for _, o := range c.office.sent {
		if o.id != "" && o.id == l.id {
			o.times++
			return nil
		}
	}
	c.office.sent = append(c.office.sent, l)
	return nil
}

// Reset forgets the mail.
func (c *counter) Reset() { c.from, c.to = "", nil }

// Logout ends the session.
func (*counter) Logout() error { return nil }

// readLetter reads a mail.
func readLetter(data []byte) (*letter, error) {
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	l := &letter{id: m.Header.Get("Message-Id"), times: 1}
	if l.subject, err = (&mime.WordDecoder{}).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return nil, err
	}
	return l, l.part(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
}

// part reads a part of a mail, which may have parts itself.
func (l *letter) part(kind, encoding string, body io.Reader) error {
	typ, params, err := mime.ParseMediaType(kind)
	if err != nil {
		return err
	}
	if strings.HasPrefix(typ, "multipart/") {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			p, err := parts.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = l.part(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p)
			}
			if err != nil {
				return err
			}
		}
	}
	if strings.EqualFold(encoding, "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	plain := strings.TrimSuffix(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	if typ == "text/html" {
		l.html = plain
	} else {
		l.text = plain
	}
	return nil
}
