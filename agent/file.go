package agent

// MaxFile is the largest file of an answer, in bytes.
const MaxFile = 8 << 20

// A File is what an answer carries besides its text: a picture, a table.
type File struct {
	Name string // without folders
	Type string // media type
	Data []byte // at most MaxFile bytes
}
