package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
)

var ejabberd = program{
	name: "ejabberd", user: "ejabberd",
	dirs:      []string{"data", "logs", "upload"},
	portTaken: "address already in use",
	find:      findEjabberd,
	// The VM runs without a node name: no epmd, no cookie, no port of its own.
	args: func(dir string) []string {
		return []string{
			"-noinput", "+S", "2:2", "+sbwt", "none", "-mnesia", "dir", fmt.Sprintf("%q", filepath.Join(dir, "data")),
			"-s", "ejabberd",
		}
	},
	env: func(found []string, dir string) []string {
		return []string{
			"ERL_LIBS=" + found[1],
			"ERL_INETRC=" + filepath.Join(dir, "inetrc"),
			"ERL_CRASH_DUMP_BYTES=0",
			"EJABBERD_CONFIG_PATH=" + filepath.Join(dir, "ejabberd.yml"),
			"EJABBERD_LOG_PATH=" + filepath.Join(dir, "logs", "ejabberd.log"),
			"CONTRIB_MODULES_CONF_DIR=" + filepath.Join(dir, "none"),
		}
	},
	configure:  configureEjabberd,
	addAccount: addEjabberdAccount,
}

// findEjabberd returns the Erlang VM and the directory of ejabberd's code.
// ejabberdctl is of no use: it reads /etc and insists on its own user.
func findEjabberd(look func(string) (string, error)) ([]string, error) {
	missing := &MissingError{"ejabberd", "ejabberd"}
	erl, err := lookPath(look, "erl", missing)
	if err != nil {
		return nil, err
	}
	app, _ := filepath.Glob("/usr/lib/*/ejabberd-*/ebin/ejabberd.app")
	if len(app) == 0 {
		return nil, missing
	}
	return []string{erl, filepath.Dir(filepath.Dir(filepath.Dir(app[0])))}, nil
}

func configureEjabberd(h home, c config) error {
	text, err := c.render("ejabberd.yml.tmpl")
	if err != nil {
		return err
	}
	if err := h.write("inetrc", []byte("{lookup, [file]}.\n")); err != nil {
		return err
	}
	return h.write("ejabberd.yml", leaveOut(text, c.Without))
}

// leaveOut drops the lines of the modules section that set up these modules.
func leaveOut(text []byte, without []string) []byte {
	var kept bytes.Buffer
	for line := range bytes.Lines(text) {
		if !isModule(line, without) {
			kept.Write(line)
		}
	}
	return kept.Bytes()
}

func isModule(line []byte, names []string) bool {
	for _, n := range names {
		if bytes.HasPrefix(line, []byte("  "+n+":")) {
			return true
		}
	}
	return false
}

// addEjabberdAccount uses the HTTP API, which the configuration opens to
// loopback.
func addEjabberdAccount(ctx context.Context, s *Server, local, password string) error {
	body, err := json.Marshal(map[string]string{"user": local, "host": s.Domain, "password": password})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+s.httpAddr+"/api/register", bytes.NewReader(body))
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: s.ownTLS()} // and no proxy
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, errTail))
	switch {
	case err != nil:
	case resp.StatusCode == http.StatusConflict:
		err = fs.ErrExist
	case resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("ejabberd says %s", strings.TrimSpace(string(answer)))
	}
	return err
}
