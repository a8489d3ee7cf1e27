package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"pipit/agent"
	"pipit/sensors"
)

func kindsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "kinds [NAME]",
		Short: "the kinds of sensors and outputs, or the config of one",
		Long: `Kinds lists what a sensor or an output can be. With a name it prints the table
of that kind as it goes into a config, with every key.`,
		Example: "  pipit kinds\n  pipit kinds bme280 >> config.toml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := io.WriteString(c.OutOrStdout(), kindsList())
				return err
			}
			text, err := kindExample(args[0])
			if err != nil {
				return &exitError{exitUsage, err}
			}
			_, err = io.WriteString(c.OutOrStdout(), text)
			return err
		},
	}
}

// A kindDoc is what a kind says of itself.
type kindDoc struct{ table, name, doc, example string }

// kindDocs returns all kinds of sensors and then of outputs.
func kindDocs() (docs []kindDoc) {
	for _, k := range sensorKinds() {
		docs = append(docs, kindDoc{"sensor", k.Name, k.Doc, k.Example})
	}
	for _, k := range sensors.OutputKinds() {
		docs = append(docs, kindDoc{"output", k.Name, k.Doc, k.Example})
	}
	return docs
}

func kindsList() string {
	list := agent.Answer{Columns: []string{"", "", ""}}
	for _, d := range kindDocs() {
		list.Rows = append(list.Rows, []string{d.table, d.name, d.doc})
	}
	return list.String() + "\n"
}

// kindExample returns the example of a kind, of sensor and output if both have the name.
func kindExample(name string) (string, error) {
	var found, names []string
	for _, d := range kindDocs() {
		names = append(names, d.name)
		if d.name == name {
			found = append(found, "# "+d.doc+"\n"+d.example)
		}
	}
	if len(found) > 0 {
		return strings.Join(found, "\n"), nil
	}
	hint := "\"pipit kinds\" lists them"
	if near := agent.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return "", fmt.Errorf("there is no kind %q: %s", name, hint)
}

// kindsMarkdown is the part of doc/sensors.md between its two marks.
func kindsMarkdown() string {
	var b strings.Builder
	for _, d := range kindDocs() {
		fmt.Fprintf(&b, "**%s `%s`**: %s\n\n```toml\n%s```\n\n", d.table, d.name, d.doc, d.example)
	}
	return b.String()
}
