package dbserver

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
)

// owner is the user a server runs as; nil is the user who runs this program.
type owner struct{ uid, gid int }

// chooseOwner picks the first of the users that exists, if this program runs
// as root.
func chooseOwner(names []string) (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 == nil && err2 == nil && uid != 0 {
			return &owner{uid, gid}, nil
		}
	}
	return nil, fmt.Errorf("a database server does not run as root, and none of the users %q exists", names)
}

// chown gives a file to the owner.
func (o *owner) chown(file string) error {
	if o == nil {
		return nil
	}
	return os.Chown(file, o.uid, o.gid)
}
