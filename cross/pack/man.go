package main

import (
	"regexp"
	"slices"
	"strings"
)

// commandPage returns pipit(1). help runs pipit with arguments; what --help
// prints, of the program and of each of its subcommands, is the page.
func commandPage(help func(args ...string) (string, error)) (string, error) {
	root, err := help("--help")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(".TH PIPIT 1\n.SH NAME\npipit \\- a device agent that speaks XMPP\n.SH DESCRIPTION\n")
	literal(&b, root)
	b.WriteString(".SH COMMANDS\n")
	if err := sections(&b, help, root, nil); err != nil {
		return "", err
	}
	b.WriteString(".SH FILES\n")
	for _, f := range [][2]string{
		{"/etc/pipit/config.toml", "the config, see pipit.toml(5)"},
		{"/var/lib/pipit", "the state, where state_dir says so"},
		{"/usr/share/doc/pipit/config.toml.example", "a commented config"},
	} {
		b.WriteString(".TP\n.I " + escape(f[0]) + "\n" + escape(f[1]) + "\n")
	}
	b.WriteString(".SH SEE ALSO\n.BR pipit.toml (5)\n")
	return b.String(), nil
}

// sections writes the commands that the help of parent lists, each with its own below it.
func sections(b *strings.Builder, help func(args ...string) (string, error), parentHelp string, parent []string) error {
	for _, name := range subcommands(parentHelp) {
		path := append(slices.Clone(parent), name)
		text, err := help(append(path, "--help")...)
		if err != nil {
			return err
		}
		b.WriteString(".SS pipit " + escape(strings.Join(path, " ")) + "\n")
		literal(b, text)
		if err := sections(b, help, text, path); err != nil {
			return err
		}
	}
	return nil
}

var (
	inList = regexp.MustCompile(`(?s)\nAvailable Commands:\n(.*?)\n\n`)
	listed = regexp.MustCompile(`(?m)^  (\S+)`)
)

// subcommands returns the names in the list that --help prints.
func subcommands(help string) (names []string) {
	list := inList.FindStringSubmatch(help)
	if list == nil {
		return nil
	}
	for _, m := range listed.FindAllStringSubmatch(list[1], -1) {
		names = append(names, m[1])
	}
	return names
}

// configPage returns pipit.toml(5) from the commented example.
func configPage(example string) string {
	var b strings.Builder
	b.WriteString(".TH PIPIT.TOML 5\n.SH NAME\npipit.toml \\- config of pipit\n.SH DESCRIPTION\n" +
		"The config is TOML, by default in\n.IR /etc/pipit/config.toml .\n" +
		"Unknown keys and wrong types are errors;\n.B pipit check\nprints all of them.\n" +
		"This is a whole one; what is a comment is optional, with its default where it has one.\n.SH CONFIG\n")
	literal(&b, example)
	b.WriteString(".SH SEE ALSO\n.BR pipit (1)\n")
	return b.String()
}

// literal writes text whose lines stay as they are.
func literal(b *strings.Builder, text string) {
	b.WriteString(".nf\n")
	for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
		b.WriteString(escape(strings.TrimSuffix(line, "\n")) + "\n")
	}
	b.WriteString(".fi\n")
}

var escapes = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "\t", "    ")

// escape returns a line that troff prints as it is: with ASCII quotes and
// hyphens, to be copied, and no request at its start.
func escape(line string) string {
	line = escapes.Replace(line)
	if strings.HasPrefix(line, ".") {
		line = `\&` + line
	}
	return line
}
