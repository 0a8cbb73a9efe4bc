// Package smtp sends messages as e-mail.
//
// It is a notify.Channel and nothing else: order, retries and receipts are engine/notify's. Start at Channel.
package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

const timeout = 8 * time.Second

// Config is the site's mail server.
type Config struct {
	Host     string
	Port     int    // 0: 587 with STARTTLS
	From     string // address that messages come from
	Login    string // empty: no authentication
	Password string
	// Plain allows a server on the same machine without TLS. Everywhere else TLS is required.
	Plain bool
	TLS   *tls.Config // nil: the system's certificates
	Link  string      // address of the user interface, put before a message's link
}

// Channel mails to the route's address.
type Channel struct {
	cfg    Config
	client *mail.Client
}

// New returns a channel; it connects with the first message. It returns Invalid when the settings do not fit.
func New(cfg Config) (*Channel, error) {
	if cfg.Host == "" || cfg.From == "" {
		return nil, vigil.Errorf(vigil.Invalid, "smtp.new", "host and sender are needed")
	}
	opts := []mail.Option{mail.WithTimeout(timeout)}
	if cfg.Plain {
		opts = append(opts, mail.WithTLSPortPolicy(mail.NoTLS))
	} else {
		opts = append(opts, mail.WithTLSPortPolicy(mail.TLSMandatory))
	}
	if cfg.Port != 0 {
		opts = append(opts, mail.WithPort(cfg.Port))
	}
	if cfg.TLS != nil {
		opts = append(opts, mail.WithTLSConfig(cfg.TLS))
	}
	if cfg.Login != "" {
		opts = append(opts, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(cfg.Login), mail.WithPassword(cfg.Password))
	}
	client, err := mail.NewClient(cfg.Host, opts...)
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "smtp.new", "mail server settings: %w", err)
	}
	return &Channel{cfg: cfg, client: client}, nil
}

// Send implements notify.Channel: the server took the message (Sent); that it was read stays unknown.
// An address the server refuses for good is Invalid, anything else Unavailable.
func (c *Channel) Send(ctx context.Context, m notify.Message, to string) (notify.State, error) {
	msg := mail.NewMsg()
	if err := msg.From(c.cfg.From); err != nil {
		return notify.Failed, vigil.Errorf(vigil.Invalid, "smtp.send", "sender: %w", err)
	}
	if err := msg.To(to); err != nil {
		return notify.Failed, vigil.Errorf(vigil.Invalid, "smtp.send", "recipient is no mail address")
	}
	msg.Subject(m.Text)
	msg.SetMessageIDWithValue(messageID(m.ID, c.cfg.From))
	msg.SetDateWithValue(m.Created)
	if m.Priority == vigil.PriorityHigh {
		msg.SetImportance(mail.ImportanceHigh)
	}
	msg.SetBodyString(mail.TypeTextPlain, m.Text+"\r\n"+strings.TrimSuffix(c.cfg.Link, "/")+m.Link+"\r\n")
	if err := c.client.DialAndSendWithContext(ctx, msg); err != nil {
		if final, ok := errors.AsType[*mail.SendError](err); ok && !final.IsTemp() && final.Reason == mail.ErrSMTPRcptTo {
			return notify.Failed, vigil.Errorf(vigil.Invalid, "smtp.send", "the server refused the recipient: %w", err)
		}
		return notify.Failed, vigil.Errorf(vigil.Unavailable, "smtp.send", "not taken over: %w", err)
	}
	return notify.Sent, nil
}

// messageID makes repeats of a message one message for the reader.
func messageID(id, from string) string {
	_, domain, ok := strings.Cut(strings.Trim(from, "<> "), "@")
	if !ok {
		domain = "vigil.invalid"
	}
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		}
		return '_'
	}, id)
	return safe + "@" + domain
}
