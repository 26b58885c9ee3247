// The API server and the controller manager of Kubernetes as one program, for the tests (dev/src/kube.rs).
package main

import (
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	root := &cobra.Command{Use: "kube"}
	root.AddCommand(apiserver.NewAPIServerCommand(), controllers.NewControllerManagerCommand())
	os.Exit(cli.Run(root))
}
