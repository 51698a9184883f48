package hostlib

// Mail is how mail is sent: by one server that takes it on.
type Mail struct {
	Host     string
	Port     int // 0: the usual one
	User     string
	Password func() (string, error) // asked for when mail is sent; nil: none
	From     string                 // "Imports <imports@example.com>"
	TLS      string                 // "starttls", "tls" or "none"
}
