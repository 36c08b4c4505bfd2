// A client of C2SP's transparency log specifications that knows nothing of this project: the Go team's own note and tlog packages
// (golang.org/x/mod/sumdb, which the specifications were drawn from) read, verify and monitor a log. All that is added here is the
// names of tiles (tlog-tiles leaves out the height) and the cosignatures of witnesses (tlog-cosignature), as a note.Verifier.
//
//	tlog_client PREFIX VKEY [WITNESS-VKEY…] < state > state
//
// It reads the checkpoint, verifies it, proves that it extends the one that it wrote down last ("SIZE HASH"; nothing: the first
// time), reads all entries and holds each against the tree, and writes down where it stands.
package main

import (
	"bufio"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error, what string) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "tlog_client: %s: %v\n", what, err)
		os.Exit(1)
	}
}

func get(url string) []byte {
	answer, err := http.Get(url) // net/http asks for gzip, and unpacks it
	check(err, url)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	check(err, url)
	if answer.StatusCode != 200 {
		check(fmt.Errorf("%s", answer.Status), url)
	}
	return body
}

// tiles is a tlog.TileReader over HTTP.
type tiles struct{ prefix string }

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range wanted {
		data = append(data, get(t.prefix+"/tile/"+strings.TrimPrefix(tile.Path(), "tile/8/")))
	}
	return data, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// cosigner is the note.Verifier of a witness: type 0x04, a time before the signature, and a message of its own.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newCosigner(vkey string) cosigner {
	parts := strings.SplitN(vkey, "+", 3)
	key, err := base64.StdEncoding.DecodeString(parts[2])
	check(err, vkey)
	if len(key) != 33 || key[0] != 4 {
		check(fmt.Errorf("not a witness's key"), vkey)
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	return cosigner{parts[0], binary.BigEndian.Uint32(sum[:]), ed25519.PublicKey(key[1:])}
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(c.key, []byte(message), sig[8:])
}

func readTree(prefix, vkey string, witnesses []string) tlog.Tree {
	verifier, err := note.NewVerifier(vkey)
	check(err, vkey)
	verifiers := []note.Verifier{verifier}
	for _, witness := range witnesses {
		verifiers = append(verifiers, newCosigner(witness))
	}
	opened, err := note.Open(get(prefix+"/checkpoint"), note.VerifierList(verifiers...))
	check(err, "checkpoint")
	if len(opened.Sigs) != len(verifiers) {
		check(fmt.Errorf("%d of %d signatures", len(opened.Sigs), len(verifiers)), "checkpoint")
	}
	lines := strings.Split(opened.Text, "\n")
	if lines[0] != verifier.Name() {
		check(fmt.Errorf("origin %q", lines[0]), "checkpoint")
	}
	return parseTree(lines[1], lines[2])
}

func parseTree(size, hash string) tlog.Tree {
	n, err := strconv.ParseInt(size, 10, 64)
	check(err, "size")
	root, err := tlog.ParseHash(hash)
	check(err, "root")
	return tlog.Tree{N: n, Hash: root}
}

// entries gives each entry of the bundles to `each`.
func entries(prefix string, size int64, each func(index int64, entry []byte)) {
	for index := int64(0); index < size; {
		tile := tlog.Tile{H: 8, L: 0, N: index / 256, W: 256}
		if size-index < 256 {
			tile.W = int(size - index)
		}
		bundle := get(prefix + "/tile/entries/" + strings.TrimPrefix(tile.Path(), "tile/8/0/"))
		for n := 0; n < tile.W; n++ {
			length := int(binary.BigEndian.Uint16(bundle))
			each(index, bundle[2:2+length])
			bundle = bundle[2+length:]
			index++
		}
		if len(bundle) != 0 {
			check(fmt.Errorf("%d bytes too many", len(bundle)), "bundle")
		}
	}
}

func main() {
	prefix, vkey, witnesses := os.Args[1], os.Args[2], os.Args[3:]
	tree := readTree(prefix, vkey, witnesses)
	// A TileHashReader gives no hash that it hasn't authenticated against the tree's root.
	reader := tlog.TileHashReader(tree, tiles{prefix})

	state := bufio.NewScanner(os.Stdin)
	if state.Scan() {
		known := strings.Fields(state.Text())
		old := parseTree(known[0], known[1])
		proof, err := tlog.ProveTree(tree.N, old.N, reader)
		check(err, "consistency")
		check(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash), "the log doesn't extend what was seen before")
	}
	entries(prefix, tree.N, func(index int64, entry []byte) {
		hashes, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		check(err, "hash")
		if tlog.RecordHash(entry) != hashes[0] {
			check(fmt.Errorf("isn't the one in the tree"), fmt.Sprintf("entry %d", index))
		}
		if index%97 == 0 {
			proof, err := tlog.ProveRecord(tree.N, index, reader)
			check(err, "inclusion")
			check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)), "inclusion")
		}
	})
	fmt.Printf("%d %s\n", tree.N, tree.Hash)
}
