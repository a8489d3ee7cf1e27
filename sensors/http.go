package sensors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"

	"pipit/agent"
)

// maxBody is the most that a server may answer, in bytes.
const maxBody = 256 << 10

func httpKind() Kind {
	return Kind{
		Name: "http",
		Doc: "What a web server answers to a GET: numbers, texts and truth values of a JSON text by path, or a body that " +
			"is a number. TLS is verified; HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment are heeded.",
		Example: `[sensor.weather]
kind = "http"
url = "https://api.example.org/now?city=berlin"
json = "main.temp"  # the one value; instead of it: fields; without both the body is the number
unit = "°C"         # of the one value
fields = {}         # several values: { temperature = "main.temp", wind = "sensors[0].value" }
units = {}          # of the fields: { temperature = "°C", wind = "m/s" }
token_file = ""     # a file that only its owner may read; sent as Authorization: Bearer, so let the url be https
ca_file = ""        # certificates to trust instead of the system's
`,
		New: newHTTP,
	}
}

type httpConfig struct {
	URL       string            `toml:"url"`
	JSON      string            `toml:"json"`
	Unit      string            `toml:"unit"`
	Fields    map[string]string `toml:"fields"`
	Units     map[string]string `toml:"units"`
	TokenFile string            `toml:"token_file"`
	CAFile    string            `toml:"ca_file"`
}

// httpSensor implements agent.Sensor and io.Closer.
type httpSensor struct {
	host *Host
	cfg  httpConfig
	url  *url.URL
	pick *picker // nil: the body is a number

	mu     sync.Mutex
	client *http.Client // nil before the first Read
}

func newHTTP(h *Host, decode func(any) error) (Built, error) {
	s := &httpSensor{host: h}
	if err := decode(&s.cfg); err != nil {
		return Built{}, err
	}
	if err := s.check(); err != nil {
		return Built{}, err
	}
	if s.pick != nil {
		return Built{Sensor: s, Fields: s.pick.names()}, nil
	}
	return Built{Sensor: s, Fields: []string{""}}, nil
}

func (s *httpSensor) check() error {
	var bad checker
	c := &s.cfg
	s.url = bad.url("url", c.URL)
	bad.whole("token_file", c.TokenFile)
	bad.whole("ca_file", c.CAFile)
	switch {
	case c.JSON != "" && len(c.Fields) > 0:
		bad.fail("fields", "there is json too: keep only one of them")
	case len(c.Fields) > 0 && c.Unit != "":
		bad.fail("unit", "a unit is for one value: the fields have units")
	case len(c.Fields) == 0 && len(c.Units) > 0:
		bad.fail("units", "units are for fields: one value has a unit")
	case c.JSON != "" || len(c.Fields) > 0:
		s.pick = bad.picker(c.JSON, c.Fields, c.Unit, c.Units)
	default:
		c.Unit = bad.unit("unit", c.Unit)
	}
	return bad.err()
}

// url checks an address. It may hold a key in its query, so it is never told.
func (c *checker) url(key, s string) *url.URL {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		c.fail(key, "an address that begins with https:// or http:// is needed")
	case u.User != nil:
		c.fail(key, "a name or a password does not belong into the url: use token_file")
	}
	return u
}

// Read implements agent.Sensor.
func (s *httpSensor) Read(ctx context.Context) ([]agent.Reading, error) {
	body, err := s.get(ctx)
	if err != nil {
		return nil, err
	}
	if s.pick != nil {
		return s.pick.readings(body)
	}
	v, err := lineValue("number", body)
	if err != nil {
		return nil, err
	}
	return []agent.Reading{{Value: v, Unit: s.cfg.Unit}}, nil
}

// get returns the body of the answer.
func (s *httpSensor) get(ctx context.Context) ([]byte, error) {
	client, err := s.open()
	if err != nil {
		return nil, err
	}
	req, err := s.request(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, s.failed(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered with status %d %s%s", s.url.Host, resp.StatusCode,
			http.StatusText(resp.StatusCode), statusHint(resp.StatusCode, s.cfg.TokenFile))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, s.failed(err)
	case len(body) > maxBody:
		return nil, fmt.Errorf("%s answered with more than %d KiB", s.url.Host, maxBody>>10)
	}
	return body, nil
}

func statusHint(status int, tokenFile string) string {
	refused := status == http.StatusUnauthorized || status == http.StatusForbidden
	switch {
	case refused && tokenFile == "":
		return ": it may want a token, see token_file"
	case refused:
		return ": it does not take the token in " + tokenFile
	}
	return ""
}

func (s *httpSensor) request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "pipit")
	if s.cfg.TokenFile != "" {
		token, err := s.host.token(s.cfg.TokenFile)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, nil
}

// failed says what went wrong and with whom, without the rest of the address,
// which may hold a key.
func (s *httpSensor) failed(err error) error {
	if in, ok := errors.AsType[*url.Error](err); ok {
		err = in.Err
	}
	return fmt.Errorf("get from %s: %w", s.url.Host, err)
}

// Close implements io.Closer: it gives the connection back that is kept
// between two Reads.
func (s *httpSensor) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	return nil
}
