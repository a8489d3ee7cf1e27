package config

import _ "embed"

//go:embed example.toml
var example string

// Example returns a complete config with comments, as pipit init prints it.
// It names the file "password" beside the config.
func Example() string { return example }
