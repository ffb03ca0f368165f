// Tells whether a webhook is Hongyan's, is fresh, and was not taken before.
//
// One file, standard library only: copy it. It knows nothing of what the webhook says. To try it, with a secret made
// for that, on a body from standard input (each further NOW, in Unix seconds, is the same request once more):
//
//	go run verify.go SECRET TIMESTAMP NONCE SIGNATURE [NOW...] < body
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// How far a timestamp may be from our clock, in seconds.
	window = 300
	// How long a nonce is remembered, in seconds: as long as its timestamp may be taken, were it 300 s ahead.
	remembered = 600
)

// Why a webhook is refused.
var (
	ErrSecret     = errors.New("secret")
	ErrIncomplete = errors.New("incomplete")
	ErrOld        = errors.New("old")
	ErrSignature  = errors.New("signature")
	ErrSeen       = errors.New("seen")
)

var (
	timestamps = regexp.MustCompile(`^[0-9]{1,12}$`)
	nonces     = regexp.MustCompile(`^[ -~]{1,128}$`)
)

// Seen is the nonces that were taken lately; beyond Cap the oldest are forgotten.
type Seen struct {
	Cap     int
	lock    sync.Mutex
	taken   map[string]bool
	inOrder []noted
}

type noted struct {
	nonce string
	at    int64
}

// Notes a nonce; false if it is there already.
func (s *Seen) note(nonce string, now int64) bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	for len(s.inOrder) > 0 && now-s.inOrder[0].at > remembered {
		s.forget()
	}
	if s.taken[nonce] {
		return false
	}
	if len(s.inOrder) > 0 && len(s.inOrder) >= s.Cap {
		s.forget()
	}
	if s.taken == nil {
		s.taken = map[string]bool{}
	}
	s.taken[nonce] = true
	s.inOrder = append(s.inOrder, noted{nonce, now})
	return true
}

func (s *Seen) forget() {
	delete(s.taken, s.inOrder[0].nonce)
	s.inOrder = s.inOrder[1:]
}

// Verify returns nil if the webhook may be taken. Timestamp, nonce and signature are the headers X-Hongyan-Timestamp,
// X-Hongyan-Nonce and X-Hongyan-Signature, now is in Unix seconds.
func Verify(secret []byte, timestamp, nonce, signature string, body []byte, now int64, seen *Seen) error {
	if len(secret) == 0 {
		return ErrSecret // Everybody can sign with an empty one.
	}
	if !timestamps.MatchString(timestamp) || !nonces.MatchString(nonce) || signature == "" {
		return ErrIncomplete
	}
	at, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return ErrIncomplete
	}
	if now-at > window || at-now > window {
		return ErrOld
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(timestamp + "\n" + nonce + "\n"))
	mac.Write(body)
	expected := []byte("v1=" + hex.EncodeToString(mac.Sum(nil)))
	fits := false
	for _, given := range strings.Split(signature, ",") { // Several while the secret is rotated.
		fits = hmac.Equal([]byte(strings.TrimSpace(given)), expected) || fits
	}
	if !fits {
		return ErrSignature
	}
	if !seen.note(nonce, now) {
		return ErrSeen
	}
	return nil
}

func main() {
	if len(os.Args) < 5 {
		fmt.Fprintln(os.Stderr, "usage: verify SECRET TIMESTAMP NONCE SIGNATURE [NOW...] < body")
		os.Exit(2)
	}
	body, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the body cannot be read:", err)
		os.Exit(2)
	}
	times := os.Args[5:]
	if len(times) == 0 {
		times = []string{strconv.FormatInt(time.Now().Unix(), 10)}
	}
	seen, code := &Seen{Cap: 100_000}, 0
	for _, text := range times {
		now, err := strconv.ParseInt(text, 10, 64)
		if err == nil {
			err = Verify([]byte(os.Args[1]), os.Args[2], os.Args[3], os.Args[4], body, now, seen)
		}
		if err == nil {
			fmt.Println("ok")
		} else {
			fmt.Println(err)
			code = 1
		}
	}
	os.Exit(code)
}
