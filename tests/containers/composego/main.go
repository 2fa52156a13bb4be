// Loads Compose files as Compose v2 does, by its own parser: strictly by its schema, merged in their order, with the environment put in. Prints
// what Compose would work with, as JSON; anything wrong ends it with 1 and one line.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/sirupsen/logrus"
)

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func main() {
	logrus.SetOutput(io.Discard) // that `version`, which stack files must have, is nothing to it
	options, err := cli.NewProjectOptions(os.Args[1:], cli.WithOsEnv, cli.WithName("shop"))
	if err != nil {
		fail(err)
	}
	project, err := cli.ProjectFromOptions(context.Background(), options)
	if err != nil {
		fail(err)
	}
	text, err := project.MarshalJSON()
	if err != nil {
		fail(err)
	}
	fmt.Println(string(text))
}
