package main

import (
	"context"
	"regexp"
	"strings"
)

// commit returns the version as in cross/build, "" without git, and the time
// of the commit in seconds; without git it is 1 January 2026.
func commit(ctx context.Context) (version, epoch string) {
	const noGit = "1767225600"
	if _, err := output(ctx, nil, "test", "-e", ".git"); err != nil {
		return "", noGit
	}
	version, err := output(ctx, nil, "git", "describe", "--always", "--abbrev=12", "--dirty")
	if err != nil {
		return "", noGit
	}
	epoch, err = output(ctx, nil, "git", "log", "-1", "--format=%ct")
	if err != nil {
		return "", noGit
	}
	return strings.TrimSpace(version), strings.TrimSpace(epoch)
}

// described is what git describe prints after a tag: commits since, commit.
var described = regexp.MustCompile(`^v(\d+\.\d+\.\d+)(?:-(alpha|beta|rc)\.?(\d*))?(?:-(\d+)-g([0-9a-f]+))?(-dirty)?$`)

// debVersion is the version for dpkg and rpm: a tilde sorts before the release.
// Before the first tag the time of the commit makes them sort.
func debVersion(version, date string) string {
	m := described.FindStringSubmatch(version)
	if m == nil {
		return "0.0.0~" + date + suffix(".", strings.ReplaceAll(version, "-", "."))
	}
	return m[1] + suffix("~", m[2]+m[3]) + suffix("+", strings.TrimPrefix(suffix("", m[4])+suffix(".g", m[5])+strings.Replace(m[6], "-", ".", 1), "."))
}

// apkVersion is the version for apk, which knows only words of its own.
func apkVersion(version, date string) string {
	m := described.FindStringSubmatch(version)
	if m == nil {
		return "0.0.0_pre" + date
	}
	return m[1] + suffix("_", m[2]+m[3]) + suffix("_git", m[4])
}

// suffix is the mark and the text, or nothing without a text.
func suffix(mark, text string) string {
	if text == "" {
		return ""
	}
	return mark + text
}
