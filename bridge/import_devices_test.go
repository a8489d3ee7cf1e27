package bridge

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pipit/agent"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// readings are written "name value unit", with quality, reason and time where
// they say more; see told.
type arrival struct {
	topic, payload string
	want           []string
}

// Payloads as the documentation of zigbee2mqtt, Tasmota and ESPHome has them.
func TestTakeDevices(t *testing.T) {
	zone(t)
	for name, tt := range map[string]struct {
		im   agent.Import
		came []arrival
	}{
		"zigbee2mqtt temperature": {
			agent.Import{
				Name: "kitchen", Topic: "zigbee2mqtt/Kitchen", TimePath: "last_seen",
				Availability: "zigbee2mqtt/Kitchen/availability",
				Values: []agent.ImportValue{
					{Field: "temperature", Path: "temperature", Unit: "°C"},
					{Field: "humidity", Path: "humidity", Unit: "%"},
					{Field: "battery", Path: "battery", Unit: "%"},
				},
			},
			[]arrival{
				{"zigbee2mqtt/Kitchen/availability", `{"state":"online"}`, nil},
				{
					"zigbee2mqtt/Kitchen",
					`{"battery":91,"humidity":44.72,"last_seen":"2026-11-23T11:59:58.941Z","linkquality":120,"temperature":27.34,"voltage":2985}`,
					[]string{
						"kitchen.temperature 27.34 °C 11:59:58.941",
						"kitchen.humidity 44.72 % 11:59:58.941",
						"kitchen.battery 91 % 11:59:58.941",
					},
				},
				{
					"zigbee2mqtt/Kitchen", `{"battery":null,"humidity":44.7,"last_seen":1795435198000,"linkquality":87}`,
					[]string{
						`kitchen.temperature fault: there is no "temperature" (there are: battery, humidity, last_seen, linkquality)`,
						"kitchen.humidity 44.7 % 11:59:58",
						"kitchen.battery fault: battery is null",
					},
				},
				{"zigbee2mqtt/Kitchen/availability", `{"state":"offline"}`, []string{
					"kitchen.temperature missing: kitchen says that it is offline",
					"kitchen.humidity missing: kitchen says that it is offline",
					"kitchen.battery missing: kitchen says that it is offline",
				}},
			},
		},
		"zigbee2mqtt contact": {
			agent.Import{
				Name: "door", Topic: "zigbee2mqtt/hall/door", Availability: "zigbee2mqtt/hall/door/availability",
				Values: []agent.ImportValue{{Path: "contact", On: "false", Off: "true"}}, // contact true: closed
			},
			[]arrival{
				{"zigbee2mqtt/hall/door", `{"battery":100,"contact":false,"linkquality":150,"voltage":3045}`, []string{"door true"}},
				{"zigbee2mqtt/hall/door", `{"battery":100,"contact":true,"linkquality":150,"voltage":3045}`, []string{"door false"}},
				{"zigbee2mqtt/hall/door/availability", "online", nil}, // before 2.0: plain
				{"zigbee2mqtt/hall/door/availability", "offline", []string{"door missing: door says that it is offline"}},
			},
		},
		"zigbee2mqtt plug": {
			agent.Import{
				Name: "plug", Topic: "zigbee2mqtt/plug",
				Values: []agent.ImportValue{
					{Field: "state", Path: "state"},
					{Field: "power", Path: "power", Unit: "W"},
					{Field: "energy", Path: "energy", Unit: "kWh"},
				},
			},
			[]arrival{{
				"zigbee2mqtt/plug",
				`{"current":0.09,"energy":12.37,"linkquality":87,"power":18.5,"state":"ON","update":{"state":"idle"},"voltage":229}`,
				[]string{"plug.state true", "plug.power 18.5 W", "plug.energy 12.37 kWh"},
			}},
		},
		"tasmota sensors": {
			agent.Import{
				Name: "cellar", Topic: "tele/cellar/SENSOR", TimePath: "Time", Availability: "tele/cellar/LWT",
				Values: []agent.ImportValue{
					{Field: "boiler", Path: "DS18B20-1.Temperature", Unit: "°C"},
					{Field: "pressure", Path: "BME280.Pressure", Unit: "hPa"},
					{Field: "dew_point", Path: "BME280.DewPoint", Unit: "°C"},
				},
			},
			[]arrival{
				{"tele/cellar/LWT", "Online", nil},
				{
					"tele/cellar/SENSOR",
					`{"Time":"2026-11-23T12:59:30","DS18B20-1":{"Id":"0300A2790D8B","Temperature":24.2},` +
						`"DS18B20-2":{"Id":"01131B123456","Temperature":22.5},` +
						`"BME280":{"Temperature":26.1,"Humidity":47.2,"DewPoint":14.0,"Pressure":973.8},"PressureUnit":"hPa","TempUnit":"C"}`,
					[]string{
						"cellar.boiler 24.2 °C 11:59:30",
						"cellar.pressure 973.8 hPa 11:59:30",
						"cellar.dew_point 14 °C 11:59:30",
					},
				},
				{ // the clock of the device is not set yet, one sensor has failed
					"tele/cellar/SENSOR",
					`{"Time":"1970-01-01T00:33:28","DS18B20-1":{"Id":"0300A2790D8B","Temperature":24.3},` +
						`"BME280":{"Temperature":null,"Humidity":null,"DewPoint":null,"Pressure":null},"PressureUnit":"hPa","TempUnit":"C"}`,
					[]string{
						"cellar.boiler 24.3 °C uncertain: the time of the message is not known: Time is a time before 2000",
						"cellar.pressure fault: BME280.Pressure is null",
						"cellar.dew_point fault: BME280.DewPoint is null",
					},
				},
				{"tele/cellar/LWT", "Offline", []string{
					"cellar.boiler missing: cellar says that it is offline",
					"cellar.pressure missing: cellar says that it is offline",
					"cellar.dew_point missing: cellar says that it is offline",
				}},
			},
		},
		"tasmota energy": {
			agent.Import{
				Name: "meter", Topic: "tele/+/SENSOR", As: "{1}",
				Values: []agent.ImportValue{
					{Field: "total", Path: "ENERGY.Total", Unit: "kWh"},
					{Field: "night", Path: "ENERGY.TotalTariff[1]", Unit: "kWh"},
					{Field: "power", Path: "ENERGY.Power", Unit: "W"},
				},
			},
			[]arrival{
				{"tele/tasmota_5014E2/SENSOR", `{"Time":"2026-11-23T12:59:30","ENERGY":{"TotalStartTime":"2021-07-10T11:54:41","Total":0.017,` +
					`"TotalTariff":[0.003,0.014],"Yesterday":0.000,"Today":0.002,"Period":0,"Power":22,"ApparentPower":24,"ReactivePower":11,` +
					`"Factor":0.90,"Voltage":246,"Current":0.098}}`,
					[]string{"tasmota_5014e2.total 0.017 kWh", "tasmota_5014e2.night 0.014 kWh", "tasmota_5014e2.power 22 W"}},
				{"tele/lamp/SENSOR", `{"Time":"2026-11-23T12:59:30","DS18B20":{"Id":"0300A2790D8B","Temperature":24.2},"TempUnit":"C"}`, nil},
			},
		},
		"tasmota power": {
			agent.Import{Name: "lamp", Topic: "stat/lamp/POWER", Values: []agent.ImportValue{{}}},
			[]arrival{
				{"stat/lamp/POWER", "ON", []string{"lamp true"}},
				{"stat/lamp/POWER", "OFF", []string{"lamp false"}},
				{"stat/lamp/RESULT", `{"POWER":"ON"}`, nil},
			},
		},
		"esphome": {
			agent.Import{
				Name: "esp", Topic: "livingroom/+/+/state", As: "{2}", Availability: "livingroom/status",
				Values: []agent.ImportValue{{}},
			},
			[]arrival{
				{"livingroom/status", "online", nil},
				{"livingroom/sensor/uptime_sensor/state", "3601", []string{"uptime_sensor 3601"}},
				{"livingroom/sensor/outside/state", "21.5", []string{"outside 21.5"}},
				{"livingroom/sensor/outside/state", "nan", []string{`outside fault: "nan" is not a number`}},
				{"livingroom/binary_sensor/motion/state", "ON", []string{"motion true"}},
				{"livingroom/text_sensor/wind/state", "north west", []string{"wind north west"}},
				{"livingroom/debug", "[D][sensor:094] sending state", nil},
				{"livingroom/status", "offline", []string{
					"motion missing: motion says that it is offline",
					"outside missing: outside says that it is offline",
					"uptime_sensor missing: uptime_sensor says that it is offline",
					"wind missing: wind says that it is offline",
				}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			im := newImporter([]agent.Import{tt.im})
			for _, a := range tt.came {
				if diff := cmp.Diff(a.want, told(im.take(a.topic, []byte(a.payload), false, noon))); diff != "" {
					t.Errorf("%s %s:\n%s", a.topic, a.payload, diff)
				}
			}
			if im.dropped() != 0 {
				t.Errorf("dropped %d", im.dropped())
			}
		})
	}
}

// told writes readings with all that they say; the time where it is not noon.
func told(readings []agent.Reading) (list []string) {
	for _, r := range readings {
		s := r.Name
		if r.Value.Kind() != agent.None {
			s += " " + r.Value.String()
		}
		if r.Unit != "" {
			s += " " + r.Unit
		}
		if r.Quality != agent.Good || r.Reason != "" {
			s += " " + r.Quality.String() + ": " + r.Reason
		}
		if !r.Time.Equal(noon) {
			s += " " + r.Time.UTC().Format("15:04:05.999")
		}
		list = append(list, s)
	}
	return list
}
