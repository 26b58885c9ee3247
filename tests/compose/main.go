// Checks docker-compose.yml with Compose's own loader and docker/Dockerfile with BuildKit's own linter, then what we ask
// of both: pinned images, nobody is root, a health check and limits for each service, no compiler where things run.
//
// It prints every mistake and ends with 1, or prints the services and our images as JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: compose-check PROJECT [ENV_FILE]")
		os.Exit(2)
	}
	folder := os.Args[1]
	project, err := load(folder, os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "docker-compose.yml:", err)
		os.Exit(1)
	}
	images, mistakes := checkDockerfile(folder)
	mistakes = append(mistakes, checkProject(project, images)...)
	for _, mistake := range mistakes {
		fmt.Fprintln(os.Stderr, mistake)
	}
	if len(mistakes) > 0 {
		os.Exit(1)
	}
	text, err := json.Marshal(map[string]any{"services": project.Services, "images": images})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(text))
}

// load reads the file as `docker compose config` does: schema, variables, anchors, references between services. Without
// files of variables all profiles are there.
func load(folder string, environment []string) (*types.Project, error) {
	profiles := []string{"*"}
	if len(environment) > 0 {
		profiles = nil
	}
	options, err := cli.NewProjectOptions(
		[]string{filepath.Join(folder, "docker-compose.yml")},
		cli.WithWorkingDirectory(folder),
		cli.WithEnvFiles(environment...),
		cli.WithDotEnv,
		cli.WithDefaultProfiles(profiles...),
	)
	if err != nil {
		return nil, err
	}
	return options.LoadProject(context.Background())
}
