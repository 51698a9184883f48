package hostlib

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/dsengine/dsengine/engine"
)

// Mail is how mail is sent: by one server that takes it on.
type Mail struct {
	Host     string
	Port     int                    // 0: 587, with tls 465, with none 25
	User     string                 // "": it asks for nobody's name
	Password func() (string, error) // asked for when mail is sent; nil: none
	From     string                 // "Imports <imports@example.com>"
	// TLS is "starttls" (the default: no mail is sent without it), "tls" from the
	// beginning, or "none".
	TLS   string
	Roots *x509.CertPool // who may vouch for the server; nil: whom the system trusts
}

const (
	mailTimeout   = 30 * time.Second // for each step
	maxRecipients = 100
	maxMail       = 10 << 20 // bytes of text and HTML
)

// tlsModes are the values of Mail.TLS.
var tlsModes = []string{"starttls", "tls", "none"}

// options are how go-mail is to reach the server.
func (m *Mail) options() ([]mail.Option, error) {
	o := []mail.Option{mail.WithTimeout(mailTimeout), mail.WithTLSConfig(&tls.Config{ServerName: m.Host, RootCAs: m.Roots, MinVersion: tls.VersionTLS12})}
	port := map[string]int{"": 587, "starttls": 587, "tls": 465, "none": 25}[m.TLS]
	switch m.TLS {
	case "", "starttls":
		o = append(o, mail.WithTLSPolicy(mail.TLSMandatory))
	case "tls":
		o = append(o, mail.WithSSL())
	case "none":
		o = append(o, mail.WithTLSPolicy(mail.NoTLS))
	default:
		return nil, Errorf("mail.settings", "[mail] tls: got %q, wanted %s%s", m.TLS, quotedList(tlsModes), Suggest(m.TLS, tlsModes))
	}
	if m.Port != 0 {
		port = m.Port
	}
	if port < 1 || port > 65535 {
		return nil, Errorf("mail.settings", "[mail] port must be from 1 to 65535")
	}
	return append(o, mail.WithPort(port)), nil
}

// recipients reads the addresses that mail goes to.
func (c *Call) recipients(v Value) ([]*netmail.Address, error) {
	list := []string{}
	if s, ok := c.Lang.Plain(v).(string); ok {
		list = append(list, s)
	} else {
		p := Param{Name: "to", Type: Strings}
		given, err := p.convert(c, v)
		if err != nil {
			return nil, Errorf("usage", "to: got %s, wanted an address or a list of them", c.Lang.TypeName(v))
		}
		list = given.([]string)
	}
	switch {
	case len(list) == 0:
		return nil, Errorf("usage", "to: got an empty list, wanted an address")
	case len(list) > maxRecipients:
		return nil, Errorf("usage", "to: got %d addresses, wanted at most %d", len(list), maxRecipients)
	}
	to := make([]*netmail.Address, len(list))
	for i, s := range list {
		var err error
		if to[i], err = netmail.ParseAddress(s); err != nil {
			return nil, Errorf("usage", "to: %q is no address; write it like \"ada@example.com\" or \"Ada <ada@example.com>\"", s)
		}
		if err := c.Needs.name("mail", to[i].Address, c.Hook.Job().Instance); err != nil {
			return nil, err
		}
	}
	return to, nil
}

func (c *Call) email(a *Args) (Value, error) {
	to, err := c.recipients(a.Value("to"))
	if err != nil {
		return nil, err
	}
	m := c.Host.Mail
	if m == nil {
		return nil, Errorf("mail.settings", "nobody has said how mail is sent: add [mail] to dsengine.toml, with host and from, or set DSENGINE_MAIL_HOST and DSENGINE_MAIL_FROM")
	}
	subject, text, html := c.Hook.Strike(a.String("subject")), c.Hook.Strike(a.String("text")), c.Hook.Strike(a.String("html"))
	switch {
	case strings.ContainsAny(subject, "\r\n"):
		return nil, Errorf("usage", "subject: it has more than one line")
	case len(text)+len(html) > maxMail:
		return nil, Errorf("usage", "the mail has %d bytes, more than %d", len(text)+len(html), maxMail)
	}
	names := make([]string, len(to))
	for i := range to {
		names[i] = to[i].Address
	}
	return c.notice(a, "email", strings.Join(names, ","), subject+"\n"+text+"\n"+html, func(ctx context.Context, id string) error {
		if d := c.Host.Dry; d != nil {
			d.skip(c, "notify.email", "to %s: %s", strings.Join(names, ", "), subject)
			return nil
		}
		msg := mail.NewMsg()
		if err := msg.From(m.From); err != nil {
			return Errorf("mail.settings", "[mail] from: %q is no address; write it like \"Imports <imports@example.com>\"", m.From)
		}
		msg.ToMailAddress(to...)
		msg.Subject(subject)
		msg.SetDateWithValue(c.Hook.Now())
		// The same one when it is sent twice: many programs show it once then.
		_, domain, _ := strings.Cut(msg.GetFrom()[0].Address, "@")
		msg.SetMessageIDWithValue(id + "@" + domain)
		msg.SetGenHeader("Auto-Submitted", "auto-generated")
		msg.SetBodyString(mail.TypeTextPlain, text)
		if html != "" {
			msg.AddAlternativeString(mail.TypeTextHTML, html)
		}
		return c.mail(ctx, m, msg)
	})
}

// mail hands a message to the server. It ends with ctx.
func (c *Call) mail(ctx context.Context, m *Mail, msg *mail.Msg) error {
	options, err := m.options()
	if err != nil {
		return err
	}
	if m.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(m.User))
	}
	if m.Password != nil {
		password, err := m.Password()
		if err != nil {
			return Errorf("mail.settings", "[mail] password cannot be had: %v", err)
		}
		if err := c.Hook.Secret(password); err != nil {
			return Errorf("mail.settings", "[mail] password: %v", err)
		}
		options = append(options, mail.WithPassword(password))
	}
	dial := c.Host.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	options = append(options, mail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(dialing, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { conn.Close() })
		if m.TLS != "tls" {
			return conn, nil
		}
		secure := tls.Client(conn, &tls.Config{ServerName: m.Host, RootCAs: m.Roots, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(dialing); err != nil {
			conn.Close()
			return nil, err
		}
		return secure, nil
	}))
	client, err := mail.NewClient(m.Host, options...)
	if err != nil {
		return Errorf("mail.settings", "[mail]: %v", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		if c.Context().Err() != nil {
			return context.Cause(c.Context())
		}
		return mailError(m, err)
	}
	return nil
}

// mailError says why mail was not sent. What a server refuses for good is not
// worth another attempt.
func mailError(m *Mail, err error) error {
	f := &engine.Failure{Kind: engine.KindError, Code: "mail.error", Message: fmt.Sprintf("send mail by %s: %v", m.Host, err), Retryable: true, Cause: err}
	var refused *mail.SendError
	if errors.As(err, &refused) && refused.ErrorCode() >= 500 {
		f.Code, f.Retryable = "mail.refused", false
	}
	return f
}
