package agent

import (
	"encoding/base32"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const rfcSecret = "12345678901234567890" // of RFC 4226 and RFC 6238

func rfcTOTP(t *testing.T) *TOTP {
	t.Helper()
	codes, err := NewTOTP(base32.StdEncoding.EncodeToString([]byte(rfcSecret)))
	if err != nil {
		t.Fatal(err)
	}
	return codes
}

func TestHOTP(t *testing.T) {
	for i, want := range strings.Fields("755224 287082 359152 969429 338314 254676 287922 162583 399871 520489") { // RFC 4226 appendix D
		if got := hotp([]byte(rfcSecret), uint64(i), 6); got != want {
			t.Errorf("counter %d: %s, want %s", i, got, want)
		}
	}
	for at, want := range map[uint64]string{ // RFC 6238 appendix B, SHA-1
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471",
		1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		if got := hotp([]byte(rfcSecret), at/totpStep, 8); got != want {
			t.Errorf("time %d: %s, want %s", at, got, want)
		}
	}
}

func code(after int) string {
	return hotp([]byte(rfcSecret), uint64(time.Now().Unix()/totpStep+int64(after)), totpDigits)
}

func TestTOTPCheck(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []int // of the codes sent
		taken string
	}{
		{"now", []int{0}, "y"},
		{"one behind", []int{-1}, "y"},
		{"one ahead", []int{1}, "y"},
		{"two behind, two ahead", []int{-2, 2}, "nn"},
		{"twice", []int{0, 0}, "yn"},
		{"an older one after a newer one", []int{1, 0, -1}, "ynn"},
		{"in order", []int{-1, 0, 1}, "yyy"},
	} {
		synctest.Test(t, func(t *testing.T) {
			codes, taken := rfcTOTP(t), ""
			for _, s := range tt.steps {
				if codes.Check("anna@example.org", code(s)) == nil {
					taken += "y"
				} else {
					taken += "n"
				}
			}
			if taken != tt.taken {
				t.Errorf("%s: %s, want %s", tt.name, taken, tt.taken)
			}
		})
	}
}

func TestTOTPTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		codes := rfcTOTP(t)
		for _, bad := range []string{"", "12345", "abcdef", code(0) + "0", code(50)} {
			if err := codes.Check("anna@example.org", bad); err == nil || strings.Contains(err.Error(), "wait") {
				t.Errorf("%q: %v", bad, err)
			}
		}
		time.Sleep(totpPause - time.Second)
		if err := codes.Check("anna@example.org", code(0)); err == nil || !strings.Contains(err.Error(), "wait 15 minutes") {
			t.Errorf("after five wrong ones: %v", err)
		}
		if err := codes.Check("bert@example.org", code(0)); err != nil {
			t.Errorf("somebody else: %v", err)
		}
		time.Sleep(totpStep * time.Second)
		if err := codes.Check("anna@example.org", code(0)); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
	if (*TOTP)(nil).Check("anna@example.org", "000000") == nil {
		t.Error("a code was taken without a secret")
	}
}

func TestNewTOTP(t *testing.T) {
	for _, good := range []string{"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "gezd gnbv gy3t qojq gezd gnbv gy3t qojq\n", "GEZDGNBVGY3TQOJQGE======"} {
		if _, err := NewTOTP(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "GEZDGNBV", "GEZDGNBVGY3TQOJ1", "0123456789", strings.Repeat("A", 400)} {
		if _, err := NewTOTP(bad); err == nil || bad != "" && strings.Contains(fmt.Sprint(err), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// memTOTP is a TOTPState in memory.
type memTOTP map[string][]byte

func (m memTOTP) Set(space, key string, v []byte) error { m[space+key] = v; return nil }

func (m memTOTP) Get(space, key string) ([]byte, bool) { v, ok := m[space+key]; return v, ok }

// A code that was used is used after a restart, too.
func TestTOTPOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := memTOTP{}
		now := code(0)
		for i, want := range []bool{true, false} {
			codes := rfcTOTP(t)
			codes.Restore(state)
			if err := codes.Check("anna@example.org", now); (err == nil) != want {
				t.Errorf("start %d: %v", i, err)
			}
		}
		var none *TOTP
		none.Restore(state)
	})
}
