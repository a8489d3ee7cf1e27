package agent

// A File is what an answer carries besides its text: a picture, a table.
type File struct {
	Name string
	Type string
	Data []byte
}
