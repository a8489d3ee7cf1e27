package bridge

import (
	"bytes"
	"log/slog"
	"os/exec"
	"strings"
	"testing"
	"time"

	"pipit/agent"
	"pipit/bridge/mqtttest"
)

// BenchmarkBacklog sends a backlog to a broker, each reading acknowledged before
// its position moves, and the same payloads with mosquitto_pub -l and QoS 1. The
// figure is the time of the bridge as a multiple of that of mosquitto_pub.
func BenchmarkBacklog(b *testing.B) {
	const readings = 20000
	broker := mqtttest.Start(b, func(o *mqtttest.Options) { o.Quiet = true })
	host, port, _ := strings.Cut(broker.Addr, ":")
	start := time.Now().Add(-24 * time.Hour)
	var ours, theirs time.Duration
	for b.Loop() {
		d := newDevice(b, broker)
		d.cfg.Log = slog.New(slog.DiscardHandler)
		var lines bytes.Buffer
		for i := range readings {
			d.read("boiler", agent.Number(float64(i)), start.Add(time.Duration(i)*time.Second))
			lines.Write(encodeReading(agent.Reading{Name: "boiler", Value: agent.Number(float64(i)), Unit: "°C", Time: start.Add(time.Duration(i) * time.Second)}))
			lines.WriteByte('\n')
		}
		begin := time.Now()
		d.run(b)
		for d.pendingNow() > 0 {
			time.Sleep(time.Millisecond)
		}
		ours += time.Since(begin)
		d.stop()
		cmd := exec.Command("/usr/bin/mosquitto_pub", "-h", host, "-p", port, "-u", mqtttest.Tester, "-P", mqtttest.TesterPassword, "-q", "1", "-l", "-t", "bench/history")
		cmd.Stdin = &lines
		begin = time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		theirs += time.Since(begin)
	}
	b.ReportMetric(readings*float64(b.N)/ours.Seconds(), "readings/s")
	b.ReportMetric(readings*float64(b.N)/theirs.Seconds(), "mosquitto_pub/s")
	b.ReportMetric(float64(ours)/float64(theirs), "x_mosquitto_pub")
}
