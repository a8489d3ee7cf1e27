package config

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"reflect"
	"slices"
)

// Same tells whether a table, or one key, is written the same in both files:
// Same(o, "sensor", "cpu"). It does not look into the files that the table names.
func (c *Config) Same(o *Config, path ...string) bool {
	return reflect.DeepEqual(c.at(path), o.at(path))
}

func (c *Config) at(path []string) any {
	if c.table == nil {
		return nil
	}
	var v any = c.table()
	for _, key := range path {
		t, _ := v.(map[string]any)
		v = t[key]
	}
	return v
}

// SameXMPP tells whether both mean the same account, server and rooms; passwords
// and certificates are compared too.
func (c *Config) SameXMPP(o *Config) bool {
	x, y := c.XMPP, o.XMPP
	if !samePool(x.RootCAs, y.RootCAs) {
		return false
	}
	x.RootCAs, y.RootCAs = nil, nil
	return reflect.DeepEqual(x, y) && reflect.DeepEqual(c.Rooms, o.Rooms)
}

// SameMQTT tells whether both mean the same broker and do the same there;
// passwords and certificates are compared too.
func (c *Config) SameMQTT(o *Config) bool {
	x, y := c.MQTT, o.MQTT
	return c.Same(o, "mqtt") && x.Device == y.Device && x.ClientID == y.ClientID && samePool(x.RootCAs, y.RootCAs) &&
		x.Password.Reveal() == y.Password.Reveal() && sameCertificate(x.Certificate, y.Certificate)
}

func samePool(a, b *x509.CertPool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(b)
}

func sameCertificate(a, b *tls.Certificate) bool {
	if a == nil || b == nil {
		return a == b
	}
	return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal) && reflect.DeepEqual(a.PrivateKey, b.PrivateKey)
}

// SameFace tells whether contacts see the same of the device.
func (c *Config) SameFace(o *Config) bool {
	x, y := c.Device, o.Device
	return slices.Equal(x.Summary, y.Summary) && bytes.Equal(x.Avatar, y.Avatar) && reflect.DeepEqual(x.Position, y.Position)
}

// startKeys are the keys of [device] that are in force from a start only.
var startKeys = []string{"name", "location", "state_dir", "flush", "keep", "max_size", "clock", "clock_wait", "totp_file"}

// NeedRestart returns the keys that differ and are in force from a start of the
// program only.
func (c *Config) NeedRestart(o *Config) (keys []string) {
	for _, key := range startKeys {
		if !c.Same(o, "device", key) {
			keys = append(keys, "[device] "+key)
		}
	}
	return keys
}
