package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/opencontainers/go-digest"
)

const file = "docker/Dockerfile"

// Stages that are built in, and leave nothing behind but what is copied out of them.
var workshops = map[string]bool{"source": true, "static": true, "gdal": true, "watchdog": true}

// image is what a target runs.
type image struct {
	Health      []string          `json:"health"`
	Entrypoint  []string          `json:"entrypoint"`
	Command     []string          `json:"command"`
	Environment map[string]string `json:"environment"`
	user        string
}

// nowhere stands for the registry, which is not asked: every base counts as an empty image.
type nowhere struct{}

func (nowhere) ResolveImageConfig(
	_ context.Context, reference string, _ sourceresolver.Opt,
) (string, digest.Digest, []byte, error) {
	return reference, "", []byte(`{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/usr/local/bin:/usr/bin:/bin"]}}`), nil
}

// checkDockerfile gives the targets that run somewhere, by name, and every mistake.
func checkDockerfile(folder string) (map[string]image, []string) {
	text, err := os.ReadFile(filepath.Join(folder, file))
	if err != nil {
		return nil, []string{err.Error()}
	}
	mistakes := lint(text)
	tree, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return nil, append(mistakes, file+": "+err.Error())
	}
	stages, arguments, err := instructions.Parse(tree.AST, linter.New(&linter.Config{}))
	if err != nil {
		return nil, append(mistakes, file+": "+err.Error())
	}
	for _, argument := range arguments {
		for _, pair := range argument.Args {
			if pair.Value == nil || !(pinned.MatchString(*pair.Value) || strings.HasPrefix(*pair.Value, "gcr.io/distroless/")) {
				mistakes = append(mistakes, fmt.Sprintf("%s: the base %s is not pinned", file, pair.Key))
			}
		}
	}
	images, built := map[string]image{}, map[string][]string{}
	for _, stage := range stages {
		found, wrong := checkStage(folder, stage, built)
		for _, what := range wrong {
			mistakes = append(mistakes, fmt.Sprintf("%s: target %s: %s", file, stage.Name, what))
		}
		if !workshops[stage.Name] {
			images[stage.Name] = found
		}
	}
	return images, mistakes
}

// lint is `docker build --check`.
func lint(text []byte) (mistakes []string) {
	source := llb.NewSourceMap(nil, file, "Dockerfile", text)
	source.Definition = &llb.Definition{}
	results, err := dockerfile2llb.DockerfileLint(context.Background(), text, dockerfile2llb.ConvertOpt{
		MetaResolver: nowhere{},
		SourceMap:    source,
	})
	if err != nil {
		return []string{file + ": " + err.Error()}
	}
	if results.Error != nil {
		mistakes = append(mistakes, file+": "+results.Error.Message)
	}
	for _, warning := range results.Warnings {
		mistakes = append(mistakes, fmt.Sprintf("%s: %s: %s", file, warning.RuleName, warning.Detail))
	}
	return mistakes
}

// checkStage says what a target runs, and what is wrong with it. `built` has the programs of each stage before it.
func checkStage(folder string, stage instructions.Stage, built map[string][]string) (found image, wrong []string) {
	found.Environment = map[string]string{}
	have := append([]string{}, built[stage.BaseName]...)
	if stage.Name == "watchdog" {
		have = append(have, "fwatchdog")
	}
	for _, command := range stage.Commands {
		switch command := command.(type) {
		case *instructions.CopyCommand:
			have = append(have, copied(command, built)...)
			wrong = append(wrong, missing(folder, command, built)...)
		case *instructions.RunCommand:
			line := strings.Join(command.CmdLine, " ")
			have = append(have, installed(line)...)
			for _, tool := range []string{"cargo ", "rustup ", "build-essential", "gcc", "-dev"} {
				if !workshops[stage.Name] && strings.Contains(line, tool) {
					wrong = append(wrong, "it builds where it should only run: "+tool)
				}
			}
		case *instructions.UserCommand:
			found.user = command.User
		case *instructions.HealthCheckCommand:
			found.Health = command.Health.Test
		case *instructions.EntrypointCommand:
			found.Entrypoint = command.CmdLine
		case *instructions.CmdCommand:
			found.Command = command.CmdLine
		case *instructions.EnvCommand:
			for _, pair := range command.Env {
				found.Environment[pair.Key] = strings.Trim(pair.Value, `"`)
			}
		}
	}
	built[stage.Name] = have
	if workshops[stage.Name] {
		return found, wrong
	}
	if found.user == "" || found.user == "root" || strings.HasPrefix(found.user, "0") {
		wrong = append(wrong, "it runs as root")
	}
	if len(found.Health) < 2 || found.Health[0] != "CMD" || !contains(have, found.Health[1]) {
		wrong = append(wrong, "its health check is none, or of a program that is not there")
	}
	if len(found.Entrypoint) == 0 || !contains(have, found.Entrypoint[0]) {
		wrong = append(wrong, "its entry point is none, or a program that is not there")
	}
	return found, wrong
}

// missing names what a COPY takes that nobody has.
func missing(folder string, command *instructions.CopyCommand, built map[string][]string) (wrong []string) {
	for _, source := range command.SourcePaths {
		if command.From == "" {
			if _, err := os.Stat(filepath.Join(folder, source)); err != nil {
				wrong = append(wrong, err.Error())
			}
			continue
		}
		have, isStage := built[command.From]
		name := filepath.Base(source)
		isFolder := name == "out" || name == "bin" || name == "volume"
		if !isStage || !(isFolder || contains(have, name)) {
			wrong = append(wrong, fmt.Sprintf("stage `%s` makes no %s", command.From, source))
		}
	}
	return wrong
}

// copied are the programs that a COPY brings.
func copied(command *instructions.CopyCommand, built map[string][]string) (programs []string) {
	for _, source := range command.SourcePaths {
		switch name := filepath.Base(source); {
		case command.From == "":
		case name == "out" || name == "bin":
			programs = append(programs, built[command.From]...)
		default:
			programs = append(programs, name)
		}
	}
	return programs
}

// installed are the programs that `install -D -t /out …` leaves there.
func installed(line string) (programs []string) {
	_, list, isThere := strings.Cut(line, "install -D -t /out ")
	if !isThere {
		return nil
	}
	for _, path := range strings.Fields(list) {
		programs = append(programs, filepath.Base(strings.Trim(path, `"`)))
	}
	return programs
}

func contains(names []string, name string) bool {
	for _, other := range names {
		if other == name {
			return true
		}
	}
	return false
}
