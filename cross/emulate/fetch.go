package emulate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// CacheVar names the environment variable with the folder for packages,
	// instead of pipit/emulate in the user's cache folder.
	CacheVar = "PIPIT_CACHE"
	// MirrorVar names the environment variable with the address of the Debian
	// mirror, instead of those that apt uses.
	MirrorVar = "PIPIT_MIRROR"

	fetchWait = 10 * time.Minute // for one package
)

// errGone means that a mirror does not have a package.
var errGone = errors.New("it is not there (404)")

// Fetch returns the path of a package in the cache, whose checksum is right. A
// package that is not there is downloaded.
func Fetch(ctx context.Context, p Package) (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, p.file())
	if err := p.verify(path); err == nil {
		return path, nil
	}
	sites, err := mirrors(ctx)
	if err != nil {
		return "", err
	}
	return path, p.download(ctx, sites, path)
}

func cacheDir() (string, error) {
	dir := os.Getenv(CacheVar)
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no folder for packages: %w; set %s", err, CacheVar)
		}
		dir = filepath.Join(user, "pipit", "emulate")
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// mirrors returns the addresses of Debian mirrors, without a slash at the end.
func mirrors(ctx context.Context) ([]string, error) {
	if site := os.Getenv(MirrorVar); site != "" {
		return []string{strings.TrimRight(site, "/")}, nil
	}
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages").Output()
	if err != nil {
		return nil, fmt.Errorf("asking apt for its mirrors: %w; set %s to the address of a Debian mirror", err, MirrorVar)
	}
	var sites []string
	for site := range strings.FieldsSeq(string(out)) {
		site = strings.TrimRight(site, "/")
		if strings.HasPrefix(site, "http") && !slices.Contains(sites, site) {
			sites = append(sites, site)
		}
	}
	if len(sites) == 0 {
		return nil, fmt.Errorf("apt has no mirror that is read by HTTP: set %s to the address of a Debian mirror", MirrorVar)
	}
	return sites, nil
}

// download gets the package from the first of the sites that has it.
func (p Package) download(ctx context.Context, sites []string, to string) error {
	ctx, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	var errs []error
	for _, site := range sites {
		err := p.get(ctx, site+"/"+p.Path, to)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s from %s: %w", p, site, err))
	}
	err := errors.Join(errs...)
	if errors.Is(err, errGone) {
		err = fmt.Errorf("%w\nDebian may have replaced it: take a version that is served into the table in cross/emulate/packages.go, "+
			"or set %s to a mirror that keeps old versions, or put %s into the folder that %s names", err, MirrorVar, p.file(), CacheVar)
	}
	return err
}

// get downloads one file. Another process that reads the cache never sees a
// part of it.
func (p Package) get(ctx context.Context, url, to string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return errGone
	case resp.StatusCode != http.StatusOK:
		return errors.New(resp.Status)
	}
	part, err := os.CreateTemp(filepath.Dir(to), ".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name()) // fails after the rename
	_, err = io.Copy(part, io.LimitReader(resp.Body, p.Size+1))
	if err = errors.Join(err, part.Close()); err != nil {
		return err
	}
	if err := p.verify(part.Name()); err != nil {
		return err
	}
	return os.Rename(part.Name(), to)
}

// verify tells whether a file is the package.
func (p Package) verify(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(f, p.Size+1))
	switch {
	case err != nil:
		return err
	case n > p.Size:
		return fmt.Errorf("it has more than %d bytes", p.Size)
	case n < p.Size:
		return fmt.Errorf("it has %d bytes, not %d", n, p.Size)
	case hex.EncodeToString(sum.Sum(nil)) != p.SHA256:
		return errors.New("its SHA-256 sum is wrong")
	}
	return nil
}

// unpack makes the files of a package below dir.
func (p Package) unpack(ctx context.Context, dir string) error {
	deb, err := Fetch(ctx, p)
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", deb, dir).CombinedOutput(); err != nil {
		return fmt.Errorf("unpacking %s: %w\n%s", p, err, out)
	}
	return nil
}
