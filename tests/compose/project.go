package main

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
)

// An image is pinned by a digest, or by a tag that begins with a version.
var pinned = regexp.MustCompile(`(@sha256:[0-9a-f]{64}|:v?[0-9]+\.[0-9]+[0-9A-Za-z._-]*)$`)

// Services whose image offers nothing that a health check could ask.
var mute = []string{"queue-worker"}

// checkProject says what we ask of each service beyond Compose's own rules.
func checkProject(project *types.Project, images map[string]image) (mistakes []string) {
	for _, name := range project.ServiceNames() {
		service := project.Services[name]
		complain := func(format string, arguments ...any) {
			mistakes = append(mistakes, "docker-compose.yml: "+name+": "+fmt.Sprintf(format, arguments...))
		}
		if !pinned.MatchString(service.Image) {
			complain("the image `%s` is not pinned", service.Image)
		}
		if service.MemLimit == 0 || service.CPUS == 0 {
			complain("it has no mem_limit, or no cpus")
		}
		if !slices.Contains(service.CapDrop, "ALL") {
			complain("it keeps capabilities")
		}
		ours, isOurs := image{}, service.Build != nil
		if isOurs {
			if ours, isOurs = images[service.Build.Target]; !isOurs {
				complain("docker/Dockerfile has no target `%s`", service.Build.Target)
			}
		}
		isOnce := service.Restart == types.RestartPolicyNo
		hasHealth := service.HealthCheck != nil || ours.Health != nil
		if !isOnce && !hasHealth && !slices.Contains(mute, name) {
			complain("it has no health check")
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				complain("port %s is open to other machines", port.Published)
			}
		}
		for other, needed := range service.DependsOn {
			mistakes = append(mistakes, checkDependency(project, images, name, other, needed)...)
		}
	}
	return mistakes
}

// checkDependency says what makes a start order that can never be.
func checkDependency(
	project *types.Project, images map[string]image, name, other string, needed types.ServiceDependency,
) (mistakes []string) {
	target, isThere := project.Services[other]
	if !isThere {
		return nil // Compose has checked those that are required.
	}
	ours := image{}
	if target.Build != nil {
		ours = images[target.Build.Target]
	}
	isOnce := target.Restart == types.RestartPolicyNo
	wrong := map[string]bool{
		types.ServiceConditionHealthy:               target.HealthCheck == nil && ours.Health == nil,
		types.ServiceConditionCompletedSuccessfully: !isOnce,
	}
	if wrong[needed.Condition] {
		mistakes = append(mistakes, fmt.Sprintf("docker-compose.yml: %s: %s can never be %s", name, other, needed.Condition))
	}
	return mistakes
}
