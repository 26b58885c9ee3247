// Checks monitoring/alerts.yml and monitoring/grafana-dashboard.json with Prometheus' own parsers, against the figures
// that docs/metrics.md lists; a test in src/metrics.rs compares that list with what the bridge shows.
package monitoring

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// series are the names that Prometheus knows, with the labels of each.
type series map[string][]string

// readSeries reads the tables of docs/metrics.md.
func readSeries(path string) (series, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	known := series{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `zeebe2faas_") {
			continue
		}
		cells := strings.Split(line, "|")
		name, kind := word(cells[1]), word(cells[2])
		labels := []string{"job", "instance"}
		for label := range strings.SplitSeq(cells[3], ",") {
			if label = word(label); label != "" {
				labels = append(labels, label)
			}
		}
		if kind == "histogram" {
			known[name+"_bucket"] = append(slices.Clone(labels), "le")
			known[name+"_sum"], known[name+"_count"] = labels, labels
		} else {
			known[name] = labels
		}
	}
	return known, nil
}

func word(cell string) string {
	return strings.Trim(strings.TrimSpace(cell), "`")
}

// asked are the series that an expression names; each exists, and has the labels that the expression wants of it.
func (known series) asked(text string) ([]string, error) {
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(strings.ReplaceAll(text, "$__rate_interval", "5m"))
	if err != nil {
		return nil, err
	}
	var names []string
	var mistakes []string
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.VectorSelector:
			names = append(names, node.Name)
			for _, matcher := range node.LabelMatchers {
				if matcher.Name != "__name__" && !slices.Contains(known[node.Name], matcher.Name) {
					mistakes = append(mistakes, fmt.Sprintf("%s has no label %s", node.Name, matcher.Name))
				}
			}
		case *parser.AggregateExpr:
			for _, label := range node.Grouping {
				if !known.anyBelow(node.Expr, label) {
					mistakes = append(mistakes, fmt.Sprintf("nothing in `%s` has the label %s", node.Expr, label))
				}
			}
		}
		return nil
	})
	for _, name := range names {
		if _, found := known[name]; !found {
			mistakes = append(mistakes, fmt.Sprintf("docs/metrics.md has no %s", name))
		}
	}
	if len(names) == 0 {
		mistakes = append(mistakes, "it asks for nothing")
	}
	if len(mistakes) > 0 {
		return nil, fmt.Errorf("%s: %s", text, strings.Join(mistakes, "; "))
	}
	return names, nil
}

func (known series) anyBelow(expression parser.Expr, label string) bool {
	found := false
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		if selector, is := node.(*parser.VectorSelector); is {
			found = found || slices.Contains(known[selector.Name], label)
		}
		return nil
	})
	return found
}
