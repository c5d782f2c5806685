package main

import "github.com/urfave/cli/v3"

func (t *tool) deskCommands() []*cli.Command  { return nil }
func (t *tool) storeCommands() []*cli.Command { return nil }
