// A program that tells somebody something at its end, and whose own work never fails for it: it exits with 0 always.
//
//	go run ./example USERS TEXT EVENT
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"example.com/hongyan"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: example USERS TEXT EVENT")
		return
	}
	teller := hongyan.New(hongyan.Settings{To: strings.Split(os.Args[1], ",")})
	teller.Notify(os.Args[2], os.Args[3])
	// A service that goes on has no need of this: what waits at a program's end is handed in by the next.
	if !teller.Flush(5 * time.Second) {
		fmt.Fprintln(os.Stderr, "not handed in yet; the next run does it")
	}
}
