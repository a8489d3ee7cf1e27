package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// writeTable appends a table as TOML, its values first: what the module's encoder
// does costs the binary more than this.
func writeTable(b *strings.Builder, path []string, table map[string]any) {
	keys := slices.Sorted(maps.Keys(table))
	var tables []string
	head := len(path) > 0
	for _, key := range keys {
		if _, ok := table[key].(map[string]any); ok {
			tables = append(tables, key)
			continue
		}
		if head {
			fmt.Fprintf(b, "\n[%s]\n", dotted(path))
			head = false
		}
		b.WriteString(tomlKey(key) + " = " + tomlValue(table[key]) + "\n")
	}
	if head && len(tables) == 0 {
		fmt.Fprintf(b, "\n[%s]\n", dotted(path))
	}
	for _, key := range tables {
		writeTable(b, append(slices.Clip(path), key), table[key].(map[string]any))
	}
}

func dotted(path []string) string {
	var keys []string
	for _, key := range path {
		keys = append(keys, tomlKey(key))
	}
	return strings.Join(keys, ".")
}

func tomlKey(key string) string {
	bare := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
	}
	if key != "" && strings.IndexFunc(key, func(r rune) bool { return !bare(r) }) < 0 {
		return key
	}
	return tomlText(key)
}

// tomlText quotes a text: what JSON writes is a basic string of TOML, but for DEL.
func tomlText(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(text) // a string always can be
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}

func tomlValue(value any) string {
	var parts []string
	switch v := value.(type) {
	case string:
		return tomlText(v)
	case float64:
		if s := strconv.FormatFloat(v, 'f', -1, 64); strings.ContainsAny(s, ".IN") {
			return strings.ToLower(s)
		} else {
			return s + ".0"
		}
	case []any:
		for _, inner := range v {
			parts = append(parts, tomlValue(inner))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, tomlKey(key)+" = "+tomlValue(v[key]))
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	case []map[string]any:
		for _, inner := range v {
			parts = append(parts, tomlValue(inner))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return fmt.Sprint(value) // truth values and whole numbers
}
