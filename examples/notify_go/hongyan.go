// Package hongyan tells people through Hongyan, without ever slowing or breaking what the caller does.
//
// One file, standard library only: copy it. Notify writes a line to a spool file and returns; a goroutine hands the
// lines in, again and again until the gateway has taken them, also those of an earlier run. Nothing here panics. It
// knows nothing of what became of a message: ask GET /v1/messages/{id}.
//
//	teller := hongyan.New(hongyan.Settings{To: []string{"zhangsan", "lisi"}})
//	teller.Notify("订单 42 已发货", "order-42-shipped")
//
// HONGYAN_URL and HONGYAN_API_KEY say where the gateway is. One process uses one spool file.
package hongyan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	firstPause   = time.Second
	longestPause = time.Minute
)

// Settings say whom to tell, and how. Only To is needed.
type Settings struct {
	To      []string
	URL     string        // HONGYAN_URL
	Key     string        // HONGYAN_API_KEY
	Spool   string        // HONGYAN_SPOOL, or hongyan-spool
	Cap     int           // how many lines may wait: 1000
	Timeout time.Duration // for a whole call: 5 s
	Log     func(format string, values ...any)
}

// Hongyan is what tells. Make it with New.
type Hongyan struct {
	settings Settings
	client   http.Client
	wake     chan struct{}
	trouble  string // what was logged last about the gateway: a trouble is logged once, not at every try

	lock    sync.Mutex
	waiting []string // what is in the spool: the idempotency key, a tab, the body
	isCut   bool     // the spool's last line may have no end
}

// New reads what an earlier run left in the spool, and starts to hand it in.
func New(settings Settings) *Hongyan {
	settings.URL = strings.TrimRight(strings.TrimSpace(or(settings.URL, "HONGYAN_URL", "http://127.0.0.1:8686")), "/")
	settings.Key = strings.TrimSpace(or(settings.Key, "HONGYAN_API_KEY", ""))
	settings.Spool = or(settings.Spool, "HONGYAN_SPOOL", "hongyan-spool")
	if settings.Cap == 0 {
		settings.Cap = 1000
	}
	if settings.Timeout == 0 {
		settings.Timeout = 5 * time.Second
	}
	if settings.Log == nil {
		settings.Log = log.Printf
	}
	h := &Hongyan{settings: settings, wake: make(chan struct{}, 1)}
	h.client.Timeout = settings.Timeout
	h.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	h.readSpool()
	go h.work()
	return h
}

// Notify queues a text; the event names what happened, so that it is told once. False if the spool is full.
func (h *Hongyan) Notify(text, event string) bool {
	return h.queue(text, event, false)
}

// NotifyEscaped is the same for a text with a user's words in it: what looks like a link or a mention in them is none.
func (h *Hongyan) NotifyEscaped(text, event string) bool {
	return h.queue(text, event, true)
}

// Flush waits until nothing waits any more, or the time is over; true in the first case.
func (h *Hongyan) Flush(atMost time.Duration) bool {
	for end := time.Now().Add(atMost); h.next() != ""; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

type body struct {
	To struct {
		Users []string `json:"users"`
	} `json:"to"`
	Text   string `json:"text"`
	Escape bool   `json:"escape,omitempty"`
}

func (h *Hongyan) queue(text, event string, escape bool) bool {
	told := body{Text: text, Escape: escape}
	told.To.Users = h.settings.To
	written, err := json.Marshal(told)
	if err != nil {
		h.settings.Log("企业微信消息发送失败: %s: %v", inHeader(event), err)
		return false
	}
	line := inHeader(event) + "\t" + string(written)

	h.lock.Lock()
	defer h.lock.Unlock()
	if len(h.waiting) >= h.settings.Cap {
		h.settings.Log("企业微信消息发送失败: %d lines wait already; `%s` is not told", len(h.waiting), inHeader(event))
		return false
	}
	h.waiting = append(h.waiting, line)
	select {
	case h.wake <- struct{}{}:
	default:
	}
	// The caller's own work is done: nothing that happens here may undo it.
	if err := h.appendToSpool(line + "\n"); err != nil {
		h.settings.Log("`%s` waits in memory only: the spool cannot be written: %v", inHeader(event), err)
	}
	return true
}

func (h *Hongyan) appendToSpool(line string) error {
	spool, err := os.OpenFile(h.settings.Spool, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer spool.Close()
	if h.isCut {
		line = "\n" + line
	}
	_, err = spool.WriteString(line)
	h.isCut = err != nil
	return err
}

func (h *Hongyan) readSpool() {
	text, err := os.ReadFile(h.settings.Spool)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.settings.Log("the spool cannot be read: %v", err)
	}
	h.isCut = len(text) > 0 && text[len(text)-1] != '\n'
	for _, line := range strings.Split(string(text), "\n") {
		if strings.Contains(line, "\t{") && strings.HasSuffix(line, "}") {
			h.waiting = append(h.waiting, line)
		} else if line != "" { // The last one, of a process that died while it wrote it.
			h.settings.Log("a line of the spool %s cannot be read: %q", h.settings.Spool, line)
		}
	}
}

func (h *Hongyan) work() {
	pause := firstPause
	for {
		line := h.next()
		if line == "" {
			<-h.wake
		} else if h.isSettled(line) {
			pause = firstPause
			h.forget()
		} else {
			time.Sleep(pause)
			if pause *= 2; pause > longestPause {
				pause = longestPause
			}
		}
	}
}

func (h *Hongyan) next() string {
	h.lock.Lock()
	defer h.lock.Unlock()
	if len(h.waiting) == 0 {
		return ""
	}
	return h.waiting[0]
}

// Takes the first line off, in the spool too.
func (h *Hongyan) forget() {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.waiting = h.waiting[1:]
	var lines bytes.Buffer
	for _, line := range h.waiting {
		lines.WriteString(line + "\n")
	}
	err := os.WriteFile(h.settings.Spool+".new", lines.Bytes(), 0o600)
	if err == nil {
		err = os.Rename(h.settings.Spool+".new", h.settings.Spool)
	}
	if err != nil {
		// At worst a line is handed in again: its event is told once all the same.
		h.settings.Log("the spool cannot be written: %v", err)
		return
	}
	h.isCut = false
}

// Hands a line in; false if it must be tried again.
func (h *Hongyan) isSettled(line string) bool {
	event, body, _ := strings.Cut(line, "\t")
	status, answer, err := h.post(event, body)
	now := fmt.Sprintf("it answered %d", status)
	switch {
	case err != nil:
		now, answer = "no answer", err.Error()
	case status == http.StatusAccepted:
		h.trouble = ""
		return true
	case isRefused(status):
		h.settings.Log("企业微信消息发送失败: %s: %s: %s", event, now, answer)
		return true
	}
	if now != h.trouble {
		h.settings.Log("the gateway is away, and is tried again: %s: %s", now, answer)
		h.trouble = now
	}
	return false
}

func (h *Hongyan) post(event, body string) (int, string, error) {
	request, err := http.NewRequest(http.MethodPost, h.settings.URL+"/v1/messages", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Authorization", "Bearer "+h.settings.Key)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", event)
	response, err := h.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	start, err := io.ReadAll(io.LimitReader(response.Body, 2000))
	if response.StatusCode == http.StatusAccepted {
		err = nil // It is taken, whatever becomes of the receipt.
	}
	return response.StatusCode, strings.ToValidUTF8(string(start), "?"), err
}

// Refused for good: the same request will never be taken.
func isRefused(status int) bool {
	switch status {
	case 400, 401, 403, 413, 422:
		return true
	}
	return false
}

// An event as a header may hold it: what is not ASCII is percent-encoded.
func inHeader(event string) string {
	var header strings.Builder
	for _, b := range []byte(event) {
		if b < ' ' || b > '~' {
			fmt.Fprintf(&header, "%%%02X", b)
		} else {
			header.WriteByte(b)
		}
	}
	return header.String()
}

func or(value, name, otherwise string) string {
	if value == "" {
		value = os.Getenv(name)
	}
	if value == "" {
		value = otherwise
	}
	return value
}
