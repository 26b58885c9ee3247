// The API server and the controller manager of Kubernetes as one program, for the tests (dev/src/kube.rs): the first
// argument says which. Only that one is made, since each sets feature gates for the whole process.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	parts := map[string]func() *cobra.Command{
		"kube-apiserver":          apiserver.NewAPIServerCommand,
		"kube-controller-manager": controllers.NewControllerManagerCommand,
	}
	if len(os.Args) < 2 || parts[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: kube kube-apiserver|kube-controller-manager FLAGS")
		os.Exit(2)
	}
	part := parts[os.Args[1]]()
	part.SetArgs(os.Args[2:])
	os.Exit(cli.Run(part))
}
