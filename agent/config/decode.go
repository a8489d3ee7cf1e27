package config

import (
	"cmp"
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
)

// decode puts the keys of a section into the struct that into points to, over
// its defaults, and reports what is wrong and unknown keys; also lists keys
// that others read. Where a key is wrong its default stays.
func (s section) decode(into any, also ...string) {
	s.pick(into)
	s.onlyKeys(append(also, fieldNames(into)...))
}

// pick is decode without a word on the other keys of the section.
func (s section) pick(into any) {
	dst := reflect.ValueOf(into).Elem()
	for i := range dst.NumField() {
		key := fieldName(dst.Type().Field(i))
		if v, ok := s.table[key]; ok && key != "" {
			s.set(key, dst.Field(i), v)
		}
	}
}

// fieldName is the key of a struct's field: its toml tag, or its name in
// lower case; "" for one that no key sets.
func fieldName(f reflect.StructField) string {
	tag := f.Tag.Get("toml")
	if !f.IsExported() || tag == "-" {
		return ""
	}
	return cmp.Or(tag, strings.ToLower(f.Name))
}

func fieldNames(into any) []string {
	var names []string
	t := reflect.TypeOf(into).Elem()
	for i := range t.NumField() {
		if name := fieldName(t.Field(i)); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// set puts one value of the file into a field. Tables go deeper, so that a
// problem has the line of the key it is about.
func (s section) set(key string, dst reflect.Value, v any) {
	if _, text := dst.Addr().Interface().(encoding.TextUnmarshaler); !text {
		switch dst.Kind() {
		case reflect.Struct:
			s.sub(key, tableHeader(s.at(key))).decode(dst.Addr().Interface())
			return
		case reflect.Map:
			s.setMap(s.sub(key, tableHeader(s.at(key))), dst)
			return
		}
	}
	if err := assign(dst, v); err != nil {
		s.fail(key, "%s", err)
	}
}

func (s section) setMap(table section, dst reflect.Value) {
	m := reflect.MakeMap(dst.Type())
	for _, key := range table.keys() {
		value := reflect.New(dst.Type().Elem()).Elem()
		table.set(key, value, table.table[key])
		m.SetMapIndex(reflect.ValueOf(key).Convert(dst.Type().Key()), value)
	}
	dst.Set(m)
}

func tableHeader(path []string) string { return "[" + strings.Join(path, ".") + "]" }

// assign sets dst to a value of the file that is no table.
func assign(dst reflect.Value, v any) error {
	if text, ok := dst.Addr().Interface().(encoding.TextUnmarshaler); ok {
		s, ok := v.(string)
		if !ok {
			return wants("a string", v)
		}
		return text.UnmarshalText([]byte(s))
	}
	if d, ok := dst.Addr().Interface().(*time.Duration); ok {
		return assignDuration(d, v)
	}
	switch dst.Kind() {
	case reflect.String:
		return assignAs(v, "a string", dst.SetString)
	case reflect.Bool:
		return assignAs(v, "true or false", dst.SetBool)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return assignInteger(dst, v)
	case reflect.Float32, reflect.Float64:
		return assignFloat(dst, v)
	case reflect.Slice:
		return assignList(dst, v)
	case reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		return assign(dst.Elem(), v)
	}
	return fmt.Errorf("a key of type %s cannot be read", dst.Type())
}

func assignAs[T any](v any, want string, set func(T)) error {
	value, ok := v.(T)
	if !ok {
		return wants(want, v)
	}
	set(value)
	return nil
}

func assignDuration(d *time.Duration, v any) error {
	switch v := v.(type) {
	case string:
		parsed, err := parseDuration(v)
		if err != nil {
			return fmt.Errorf(`%q is not a duration: write a number and a unit, such as "30s", "5m" or "1h30m"`, v)
		}
		*d = parsed
		return nil
	case int64, float64:
		return fmt.Errorf(`a duration is text such as "30s", not a bare number`)
	}
	return wants("a duration", v)
}

func assignInteger(dst reflect.Value, v any) error {
	i, ok := v.(int64)
	if !ok {
		return wants("a whole number", v)
	}
	if dst.CanInt() && !dst.OverflowInt(i) {
		dst.SetInt(i)
		return nil
	}
	if dst.CanUint() && i >= 0 && !dst.OverflowUint(uint64(i)) {
		dst.SetUint(uint64(i))
		return nil
	}
	return fmt.Errorf("%d is out of range", i)
}

func assignFloat(dst reflect.Value, v any) error {
	f, ok := v.(float64)
	if i, whole := v.(int64); whole {
		f, ok = float64(i), true
	}
	if !ok {
		return wants("a number", v)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) || dst.OverflowFloat(f) {
		return fmt.Errorf("%v is out of range", f)
	}
	dst.SetFloat(f)
	return nil
}

func assignList(dst reflect.Value, v any) error {
	list, ok := v.([]any)
	if !ok {
		return wants("a list", v)
	}
	items := reflect.MakeSlice(dst.Type(), len(list), len(list))
	for i, item := range list {
		if err := assign(items.Index(i), item); err != nil {
			return fmt.Errorf("item %d: %w", i+1, err)
		}
	}
	dst.Set(items)
	return nil
}

func wants(what string, v any) error { return fmt.Errorf("wants %s, has %s", what, typeName(v)) }

// typeName says for people what a value of the toml module is.
func typeName(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64:
		return "a number"
	case float64:
		return "a number with a fraction"
	case time.Time:
		return "a date"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "an array of tables"
	}
	return "a list"
}
