package alarm

type Values struct{ Value, Unit, Name, Time, Since, Rule, Level string }

func Say(template string, v Values) string { return template }
