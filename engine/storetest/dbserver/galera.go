package dbserver

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var galeraLibraries = []string{"/usr/lib/galera/libgalera_smm.so", "/usr/lib64/galera-4/libgalera_smm.so", "/usr/lib/libgalera_smm.so"}

// galera is a MariaDB that is a node of a cluster.
type galera struct {
	*mariadb
	library string
	name    string // of the cluster
	node    int
	ports   []int  // of the nodes among each other: two for each
	tools   string // a folder with the script by which a node would be sent all data
	seed    string // what the data of the others is a copy of; "": the first one makes it
}

// transfer is called by nodes when one joins the cluster: here it has begun with a
// copy of the data, so that the two only tell each other from where on it needs what
// came since.
const transfer = `#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    --role) role=$2 ;;
    --address) address=$2 ;;
    --gtid) gtid=$2 ;;
    --bypass) bypass=yes ;;
  esac
  shift
done
here=$(dirname "$0")
if [ "$role" = joiner ]; then
  echo "ready 127.0.0.1/$$"
  until [ -s "$here/$$" ]; do sleep 0.05; done
  cat "$here/$$"
else
  [ -n "$bypass" ] || exit 1 # the copy is too old
  echo "$gtid" >"$here/new.$$"
  mv "$here/new.$$" "$here/${address##*/}"
  echo "done $gtid"
fi
`

// Galera starts a cluster of MariaDB servers and returns when all of them take part
// in it. The data of the first one is copied before the others start, so that none
// needs to be sent it; a node that was killed and is started again is sent what came
// since. The first one founds the cluster each time it is started: do not restart it
// while others run. The error is a *NotInstalledError when MariaDB or
// Galera is missing.
func Galera(nodes int, o Options) (_ []*Server, err error) {
	k, err := newMariaDB(o)
	if err != nil {
		return nil, err
	}
	g := galera{mariadb: k, name: "dsengine-" + strconv.Itoa(os.Getpid())}
	for _, file := range galeraLibraries {
		if _, err := os.Stat(file); err == nil {
			g.library = file
			break
		}
	}
	if g.library == "" {
		return nil, &NotInstalledError{"Galera", "apt-get install galera-4"}
	}
	for len(g.ports) < 2*nodes {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		if !slices.Contains(g.ports, port) {
			g.ports = append(g.ports, port)
		}
	}
	var list []*Server
	defer func() {
		if err != nil {
			for _, s := range list {
				err = errors.Join(err, s.Stop())
			}
		}
	}()
	for n := range nodes {
		node := g
		node.node = n
		s, err := start(&node, "galera", mariadbUsers, o)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
		if n > 0 {
			continue
		}
		// Once it has stopped, its folder says how far the cluster had come.
		s.current().stop()
		g.seed = filepath.Join(s.folder, "seed")
		if err := copyFolder(k.data(s), g.seed, s.owner); err != nil {
			return nil, fmt.Errorf("copy the data of the first node: %w", err)
		}
		if g.tools, err = writeTransfer(s); err != nil {
			return nil, err
		}
		node.tools = g.tools
		if err := s.Restart(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// writeTransfer makes the folder of the script.
func writeTransfer(s *Server) (folder string, err error) {
	folder = filepath.Join(s.folder, "tools")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return "", err
	}
	file := filepath.Join(folder, "wsrep_sst_copied")
	if err := os.WriteFile(file, []byte(transfer), 0o700); err != nil {
		return "", err
	}
	return folder, errors.Join(s.owner.chown(folder), s.owner.chown(file))
}

// copyFolder copies a folder, for an owner.
func copyFolder(from, to string, o *owner) error {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		return err
	}
	return filepath.WalkDir(to, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return o.chown(path)
	})
}

func (g *galera) prepare(ctx context.Context, s *Server) error {
	if g.seed != "" {
		return copyFolder(g.seed, g.data(s), s.owner)
	}
	return g.mariadb.prepare(ctx, s)
}

func (g *galera) command(s *Server) []string {
	var peers []string
	for _, p := range g.ports[:len(g.ports)/2] {
		peers = append(peers, net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
	}
	late := g.ports[len(g.ports)/2+g.node] // on which it is sent what came since its data was copied
	args := []string{"/usr/bin/env", "PATH=" + g.tools + string(os.PathListSeparator) + os.Getenv("PATH")}
	args = append(append(args, g.mariadb.command(s)...),
		"--wsrep-on=ON",
		"--wsrep-provider="+g.library,
		"--wsrep-cluster-name="+g.name,
		"--wsrep-cluster-address=gcomm://"+strings.Join(peers, ","),
		"--wsrep-node-name=node"+strconv.Itoa(g.node),
		"--wsrep-node-address="+peers[g.node],
		"--wsrep-provider-options=gmcast.listen_addr=tcp://"+peers[g.node]+";ist.recv_addr=127.0.0.1:"+strconv.Itoa(late)+";gcache.size=32M",
		"--wsrep-sst-method=copied",
		"--binlog-format=ROW",
		"--innodb-autoinc-lock-mode=2",
	)
	if g.node == 0 {
		args = append(args, "--wsrep-new-cluster")
	}
	if at := g.recovered(s, args); at != "" {
		args = append(args, "--wsrep-start-position="+at)
	}
	return args
}

// recovered asks a node that was killed how far it had come; "": it was not killed.
func (g *galera) recovered(s *Server, args []string) (position string) {
	state, err := os.ReadFile(filepath.Join(g.data(s), "grastate.dat"))
	if err != nil || !unknownPosition.Match(state) {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], append(slices.Clone(args[1:]), "--wsrep-recover")...)
	settle(cmd, s.folder, s.owner)
	said, err := cmd.CombinedOutput()
	if err != nil {
		return ""
	}
	if m := recoveredPosition.FindSubmatch(said); m != nil {
		return string(m[1])
	}
	return ""
}

var (
	unknownPosition   = regexp.MustCompile(`(?m)^seqno:\s*-1$`)
	recoveredPosition = regexp.MustCompile(`Recovered position:\s*(\S+)`)
)

// ready says that the node has caught up with the cluster.
func (g *galera) ready(ctx context.Context, s *Server, pid int) error {
	if err := g.mariadb.ready(ctx, s, pid); err != nil {
		return err
	}
	return g.withDB(s, func(db *sql.DB) error {
		var name, state string
		if err := db.QueryRowContext(ctx, "SHOW STATUS LIKE 'wsrep_local_state_comment'").Scan(&name, &state); err != nil {
			return err
		}
		if state != "Synced" {
			return fmt.Errorf("the node is %s", cmp.Or(state, "in no cluster"))
		}
		return nil
	})
}
