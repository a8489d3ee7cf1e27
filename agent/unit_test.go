package agent

import "testing"

func TestUnits(t *testing.T) {
	seen := map[string]string{}
	for _, u := range Units() {
		for _, s := range append([]string{u.Symbol}, u.Spellings...) {
			if other, dup := seen[s]; dup || s == "" {
				t.Errorf("%q stands for %q and for %q", s, other, u.Symbol)
			}
			seen[s] = u.Symbol
			if got, ok := LookupUnit(s); !ok || got.Symbol != u.Symbol {
				t.Errorf("LookupUnit(%q) = %q, %v, want %q", s, got.Symbol, ok, u.Symbol)
			}
		}
		if u.Precision < 0 || u.Precision > 6 || len(u.Symbol) > 16 {
			t.Errorf("%q: precision %d", u.Symbol, u.Precision)
		}
	}
}

func TestLookupUnit(t *testing.T) {
	for in, want := range map[string]string{
		"Cel": "°C", "C": "°C", "mbar": "hPa", "l": "L", "\u03bcg/m³": "µg/m³", "\u2126": "Ω",
		"": "", "MW": "", "c": "", "°c": "", "KWH": "",
	} {
		if u, ok := LookupUnit(in); u.Symbol != want || ok != (want != "") {
			t.Errorf("LookupUnit(%q) = %q, %v, want %q", in, u.Symbol, ok, want)
		}
	}
}
