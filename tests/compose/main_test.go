package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// spoiled is the project with this part of a file replaced.
func spoiled(t *testing.T, name, part, with string) string {
	t.Helper()
	folder := t.TempDir()
	for _, link := range []string{"bpmn", "templates", "stack.yml"} {
		target, err := filepath.Abs(filepath.Join("../..", link))
		if err != nil || os.Symlink(target, filepath.Join(folder, link)) != nil {
			t.Fatal(link, err)
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "docker"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"docker-compose.yml", "docker/Dockerfile"} {
		text, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		if file == name {
			if !strings.Contains(string(text), part) {
				t.Fatalf("%s has no %q", file, part)
			}
			text = []byte(strings.Replace(string(text), part, with, 1))
		}
		if err := os.WriteFile(filepath.Join(folder, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func mistakes(folder string) string {
	project, err := load(folder, nil)
	if err != nil {
		return err.Error()
	}
	images, found := checkDockerfile(folder)
	return strings.Join(append(found, checkProject(project, images)...), "\n")
}

func TestThatWhatIsShippedIsGood(t *testing.T) {
	if found := mistakes("../.."); found != "" {
		t.Error(found)
	}
}

func TestThatEachKindOfMistakeIsFound(t *testing.T) {
	const compose, images = "docker-compose.yml", "docker/Dockerfile"
	for _, kind := range []struct{ file, part, with, words string }{
		{compose, "mem_limit: 2g", "memlimit: 2g", "memlimit"},
		{compose, "secrets:/run/secrets:ro", "nowhere:/run/secrets:ro", "nowhere"},
		{compose, "camunda/zeebe:8.6.0", "camunda/zeebe:latest", "is not pinned"},
		{compose, "127.0.0.1:26500:26500", "26500:26500", "open to other machines"},
		{compose, "couple: {condition: service_completed_successfully}", "sample: {condition: service_completed_successfully}", "cycle"},
		{compose, "zeebe: {condition: service_healthy}", "zeebe: {condition: service_completed_successfully}", "can never be"},
		{compose, "cap_drop: [ALL]", "cap_drop: [KILL]", "keeps capabilities"},
		{compose, "target: bridge", "target: brigde", "no target `brigde`"},
		{images, `ENTRYPOINT ["zeebe2faas"]`, `ENTRYPOINT zeebe2faas`, "JSONArgsRecommended"},
		{images, `ENTRYPOINT ["zeebe2faas"]`, `ENTRYPOINT ["zeebe2fass"]`, "entry point"},
		{images, "COPY templates", "COPY tempaltes", "tempaltes"},
		{images, "COPY --from=gdal /out/call_normalize_function", "COPY --from=static /out/call_normalize_function", "makes no"},
		{images, "USER 10001:10001", "USER root", "runs as root"},
		{images, "ARG DEBIAN=debian:12.12-slim", "ARG DEBIAN=debian", "is not pinned"},
		{images, "ca-certificates otb-bin", "ca-certificates gcc otb-bin", "should only run"},
		{images, "FROM ${DEBIAN} AS otbcli", "from ${DEBIAN} AS otbcli", "ConsistentInstructionCasing"},
	} {
		if found := mistakes(spoiled(t, kind.file, kind.part, kind.with)); found == "" || !strings.Contains(found, kind.words) {
			t.Errorf("%q for %q: %q does not say %q", kind.with, kind.part, found, kind.words)
		}
	}
}
