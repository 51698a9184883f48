module github.com/dsengine/dsengine

go 1.26.0

require (
	github.com/netresearch/go-cron v0.9.1
	golang.org/x/sys v0.49.0
)
